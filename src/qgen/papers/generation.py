"""From a run to problems fit to be handed out: written until enough pass, ranked, attributed, left as files."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from qgen.reporting.tables import made_table, show
from qgen.runs import rundir
from qgen.runs.files import Row, write_whole
from qgen.runtime.quiet import quiet
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.generate import GenerateConfig
from qgen.settings.prompt import PromptConfig
from qgen.settings.sampling import SamplingConfig

if TYPE_CHECKING:
    from qgen.mathematics.problem import Problem
    from qgen.papers.author import Tally

FOLDER, OUTPUTS = "generated", "outputs.jsonl"


def generate(config: GenerateConfig) -> None:
    """Write, rank, attribute and hand out; or write one problem again."""
    from qgen.papers import certificate

    proof = certificate.read(config.reproduce) if config.reproduce else None
    home = rundir.finished_stages(Path(config.run))[-1]
    run = rundir.config_at(home)
    language = proof["language"] if proof else config.language and config.language.value
    if language and run.prompt.language.value != language:
        solution = str(run.prompt.solution).lower()
        run.prompt = composed([f"prompt={language}", f"prompt.solution={solution}"]).prompt
    if not proof:
        _generate(config, home, run)
        return
    quiet()
    from qgen.papers.writer import reproduce

    show(reproduce(proof, home, run), f"\ncertificate {proof['id']}: written again, the same to the letter")


def _generate(config: GenerateConfig, home: Path, run: Config) -> None:
    from qgen import data
    from qgen.data.prompts import variation
    from qgen.papers import author
    from qgen.papers.gate import Gate

    began, corpus = time.monotonic(), data.load(run.data, run.prompt)
    topics = sorted({p.topic for p in corpus.train})
    like = _like(config, topics)
    wanted = Counter({like.topic: config.count}) if like else _wanted(config, topics)
    quiet()
    from qgen.papers.writer import ProblemWriter, ranked

    sampling = _sampling(config, run)
    run.model.rollout = config.model.rollout or run.model.rollout
    writer = ProblemWriter(home, run, sampling, like, config.kind)
    gate = Gate(corpus, like, config.kind, run.prompt.language)
    level = like.level if like else config.level
    if like and config.kind:
        level = variation(run.prompt, like, config.kind)["level"]
    plan = author.Plan(wanted, level, config.count * config.tries, config.seed, sampling)
    bar = tqdm(total=config.count, desc=f"{run.stage.name} writes", unit="problem", leave=False, disable=None)

    def progress(passed: int, tally: "Tally") -> None:
        bar.set_postfix_str(f"{tally.tries} tries")
        bar.update(passed)

    out = Path(config.out or Path(config.run) / FOLDER)
    with bar, rundir.locked(out):
        made, tally = author.write(gate, lambda batch: writer.answer_once(batch, out / OUTPUTS), plan, progress)
        rows = ranked(made, gate, writer, corpus)
        if config.paper.title:  # from easy to hard
            rows.sort(key=lambda row: row["level"] if row["difficulty"] is None else row["difficulty"])
        files = _leave(config, out, rows, run.prompt)
    notes = [f"{time.monotonic() - began:.0f} s. {', '.join(map(str, files))}"]
    if gate.estimator:
        notes.append(
            f"difficulty is an estimate; its rank correlation with real levels is {gate.estimator.spearman:.2f}"
        )
    show(made_table(rows, config.count, str(tally)), *notes)
    if len(made) < config.count:
        raise RuntimeError(
            f"{len(made)} of {config.count} problems passed the gate in {tally}; those are in {out}. "
            f"Raise tries (the same command goes on from what was written), or train the model for longer"
        )


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
    title = paper.title or f"Problems by {Path(config.run).resolve().name}"
    files = {
        "problems.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "problems.md": sheet.markdown(title, rows),
    }
    if paper.title:
        files["paper.html"] = sheet.html(paper, rows, language, prompt.topics)
        files["paper.tex"] = sheet.latex(paper, rows, language)
    for name, text in files.items():
        write_whole(out / name, text)
    return [out / name for name in files]
