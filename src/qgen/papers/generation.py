"""From a run to problems fit to be handed out: written until enough pass, ranked, attributed, left as files."""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from qgen.mathematics.problem import PROGRAM
from qgen.reporting.tables import made_table, show
from qgen.runs import rundir
from qgen.runs.files import Row, write_whole
from qgen.runtime.quiet import quiet
from qgen.settings.choices import Language, Proof, Rollout
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.generate import GenerateConfig
from qgen.settings.model import ModelConfig
from qgen.settings.prompt import PromptConfig
from qgen.settings.sampling import SamplingConfig

if TYPE_CHECKING:
    from qgen.mathematics.problem import Problem
    from qgen.papers.author import Tally
    from qgen.papers.prover import Prover
    from qgen.papers.writer import Asked

FOLDER, OUTPUTS, PROOFS = "generated", "outputs.jsonl", "proofs.jsonl"


def generate(config: GenerateConfig) -> None:
    """Write, rank, attribute and hand out; or write one problem again."""
    from qgen.papers import certificate

    if not config.run:
        _untrained(config)
        return
    proof = certificate.read(config.reproduce) if config.reproduce else None
    home = rundir.finished_stages(Path(config.run))[-1]
    run = rundir.config_at(home)
    language = proof["language"] if proof else config.language and config.language.value
    if language and run.prompt.language.value != language:
        solution = str(run.prompt.solution).lower()
        run.prompt = composed([f"prompt={language}", f"prompt.solution={solution}"]).prompt
    if not proof:
        _of_run(config, home, run)
        return
    quiet()
    from qgen.papers.writer import reproduce

    show(reproduce(proof, home, run), f"\ncertificate {proof['id']}: written again, the same to the letter")


def _of_run(config: GenerateConfig, home: Path, run: Config) -> None:
    """A run's model writes, and its frozen base solves."""
    wanted, why = wanted_of_run(config, run)
    print(f"proof={wanted}: {why}")
    job = Job(config, run)
    quiet()
    from qgen.papers.prover import Prover
    from qgen.papers.writer import ProblemWriter, solver_of

    run.model.rollout = config.model.rollout or run.model.rollout
    writer = ProblemWriter(home, run, job.sampling, job.like, config.kind)
    if wanted == Proof.stated.value:
        job.go(writer, Prover())
        return
    solver, origin = solver_of(writer, config.attempts(run.reward.solver))
    job.go(writer, Prover(wanted, solver, origin, job.out / PROOFS))


def wanted_of_run(config: GenerateConfig, run: Config) -> tuple[str, str]:
    """What answers must be proved by, and why, in words. Raises ValueError where the run cannot have what is asked."""
    programs = run.prompt.solution == PROGRAM
    if config.proof is Proof.computed and not programs:
        raise ValueError(
            "proof=computed needs programs, and this run was trained without prompt.solution=program, so that it "
            "writes none: proof=voted asks for clear votes alone"
        )
    if config.proof:
        return config.proof.value, "as asked for"
    if programs:
        return Proof.computed.value, "the run writes programs, and its base votes"
    if run.reward.solver:
        return Proof.voted.value, "the run has a solver (reward.solver), and writes no programs"
    return Proof.stated.value, "the run has neither programs nor a solver; proof=voted has its base solve"


def _untrained(config: GenerateConfig) -> None:
    """A model as it is writes problems with programs, and solves them itself."""
    language = (config.language or Language.en).value
    wanted = (config.proof or Proof.computed).value
    told = "" if config.proof else ": it writes programs, and solves"
    rollout = config.model.rollout or Rollout.auto
    run = composed([f"prompt={language}", f"prompt.solution={PROGRAM}"])
    run.model = ModelConfig(**vars(config.model) | {"rollout": rollout})
    run.sampling = SamplingConfig(max_new_tokens=320, temperature=0.8)
    job = Job(config, run)
    quiet()
    from qgen.papers.prover import Prover
    from qgen.papers.writer import Untrained
    from qgen.proofs import engines
    from qgen.proofs.solver import Solver

    with engines.opened(run.model) as engine:
        by = engines.told(engine)
        print(f"{config.model.name} by {by['engine']}; proof={wanted}{told}")
        job.sampling.batch_size = min(job.sampling.batch_size, getattr(engine, "at_once", job.sampling.batch_size))
        writer, prover = Untrained(engine, run, job.like, config.kind), Prover()
        if wanted != Proof.stated.value:
            attempts = config.attempts(None)
            solver = Solver(engines.Solving(engine), run.prompt, attempts)
            prover = Prover(wanted, solver, {"solved_by": by, "sampling": vars(attempts)}, job.out / PROOFS)
        job.go(writer, prover)


class Job:
    """What one command writes, whoever writes it."""

    def __init__(self, config: GenerateConfig, run: Config):
        from qgen import data

        self.config, self.run, self.began = config, run, time.monotonic()
        self.corpus = data.load(run.data, run.prompt)
        topics = sorted({p.topic for p in self.corpus.train})
        self.like = _like(config, topics)
        self.wanted = Counter({self.like.topic: config.count}) if self.like else _wanted(config, topics)
        self.sampling = _sampling(config, run)
        self.out = Path(config.out or (Path(config.run) / FOLDER if config.run else f"{FOLDER}/{title(config)}"))

    def go(self, writer: "Asked", prover: "Prover") -> None:
        """Write until enough have passed, and hand out. Raises RuntimeError where too few did."""
        from qgen.data.prompts import variation
        from qgen.papers import author
        from qgen.papers.gate import Gate
        from qgen.papers.writer import ranked

        config, run, like = self.config, self.run, self.like
        loose = not (config.run or config.topic or config.paper.topics or like)  # no topic was asked for
        gate = Gate(self.corpus, like, config.kind, run.prompt.language, any_topic=loose)
        level = like.level if like else config.level
        if like and config.kind:
            level = variation(run.prompt, like, config.kind)["level"]
        plan = author.Plan(self.wanted, level, config.count * config.tries, config.seed, self.sampling, loose)
        named = run.stage.name if config.run else title(config)
        shown = (
            {"leave": False, "disable": None} if prover.solver is None else {"disable": False, "dynamic_ncols": True}
        )
        often = {"mininterval": 0.1 if sys.stderr.isatty() else 5.0}
        bar = tqdm(total=config.count, desc=f"{named} writes", unit="problem", **shown, **often)

        def progress(passed: int, tally: "Tally") -> None:
            proved = f", {bar.n + passed} proved" if prover.solver else ""
            bar.set_postfix_str(f"{tally.tries} tries{proved}", refresh=False)
            bar.update(passed)
            bar.refresh()

        with bar, rundir.locked(self.out):
            kept = self.out / OUTPUTS
            made, tally = author.write(gate, lambda batch: writer.answer_once(batch, kept), plan, progress, prover)
            rows = ranked(made, gate, writer, self.corpus)
            if config.paper.title:  # from easy to hard
                rows.sort(key=lambda row: row["level"] if row["difficulty"] is None else row["difficulty"])
            files = _leave(config, self.out, rows, run.prompt)
        notes = [f"{time.monotonic() - self.began:.0f} s. {', '.join(map(str, files))}"]
        if gate.estimator:
            notes.append(
                f"difficulty is an estimate; its rank correlation with real levels is {gate.estimator.spearman:.2f}"
            )
        show(made_table(rows, config.count, str(tally)), *notes)
        if len(made) < config.count:
            raise RuntimeError(
                f"{len(made)} of {config.count} problems passed the gate in {tally}; those are in {self.out}. "
                f"Raise tries (the same command goes on from what was written), or "
                + ("train the model for longer" if config.run else "train the model")
            )


def title(config: GenerateConfig) -> str:
    """Who writes, as a name for people and files."""
    return Path(config.run).resolve().name if config.run else Path(config.model.name or "").name


def _like(config: GenerateConfig, topics: list[str]) -> "Problem | None":
    """What is varied, if anything is."""
    from qgen.data import topics as of
    from qgen.papers.wishes import original, topic_named

    if not config.like:
        return None
    topic = topic_named(config.topic, topics) if config.topic else of.topic(config.like)
    return original(config.like, topic, config.level or 3)


def _wanted(config: GenerateConfig, topics: list[str]) -> Counter[str]:
    """How many problems of which topic."""
    from qgen.papers.wishes import quotas, topic_named

    if config.topic:
        return Counter({topic_named(config.topic, topics): config.count})
    asked = {topic_named(name, topics): number for name, number in (config.paper.topics or {}).items()}
    return quotas(config.count, asked, topics)


def _sampling(config: GenerateConfig, run: Config) -> SamplingConfig:
    own = {key: value for key in ("temperature", "max_new_tokens") if (value := getattr(config, key)) is not None}
    return SamplingConfig(**vars(run.sampling) | own | {"batch_size": config.batch_size})


def _leave(config: GenerateConfig, out: Path, rows: list[Row], prompt: PromptConfig) -> list[Path]:
    """Write the files, replacing those of an earlier command."""
    from qgen.papers import sheet

    paper, language = config.paper, prompt.language.value
    named = paper.title or f"Problems by {title(config)}"
    files = {
        "problems.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "problems.md": sheet.markdown(named, rows),
    }
    if paper.title:
        files["paper.html"] = sheet.html(paper, rows, language, prompt.topics)
        files["paper.tex"] = sheet.latex(paper, rows, language)
    for name, text in files.items():
        write_whole(out / name, text)
    return [out / name for name in files]
