"""python -m qgen.verify FILE: are the answers of anybody's problems right? Verdicts beside them, a line a problem, by
the routes by which qgen's own are proved."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from qgen.data import columns, files, jsonl
from qgen.mathematics import programmed
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Problem
from qgen.proofs import engines
from qgen.proofs.attempts import ROOM
from qgen.proofs.proof import digest, prove, words
from qgen.proofs.solver import Solver
from qgen.runs.files import Row, append, rows
from qgen.settings.compose import composed
from qgen.settings.model import ModelConfig
from qgen.settings.verify import VerifyConfig

NONE = "none"  # the proof of a row that is no problem with an answer
STATEMENTS = ("statement", "problem", "question")  # columns that hold one where fields.statement says nothing
TOPICS = ("topic", "subject")
SILENT = 32  # attempts without a single answer, after which a solver is broken
_PROOF = re.compile(r"^\W*(?:prove|show|demonstrate) that\b|[.;,] (?:prove|show) that\b|(?:求证|证明)[：:，,]?", re.I)


@dataclass(frozen=True)
class Entry:
    """A row of the file: its line, and the problem in it, or why there is none."""

    line: int
    problem: Problem | None
    why: str = ""

    @property
    def key(self) -> str:
        """A hash of what the verdict is on."""
        p = self.problem
        return digest(p.statement, p.answer, p.program) if p else digest(self.line, self.why)


def verify(config: VerifyConfig) -> tuple[Path, list[Row]]:
    """Judge the problems of a file; those that the verdicts' file knows from the same solver are not solved again.

    Returns where the verdicts lie, and the verdict on each row of the file, in its order.

    Raises RuntimeError where the file is missing, is none, or holds no problem with an answer, and where the solver
    answers nothing; NoWallError where programs cannot be held here.
    """
    entries = list(read(config))
    if not any(entry.problem for entry in entries):
        first = entries[0]
        raise RuntimeError(
            f"{config.file}: none of {len(entries)} rows can be verified (line {first.line}: {first.why})"
        )
    file = config.problems
    out = Path(config.out) if config.out else file.with_name(f"{file.stem}.verified.jsonl")
    model = _model(config)
    if model:
        engines.by_llamacpp(model)  # what is missing is said before anything is solved
    who = digest(vars(config.attempts), config.language.value) if model else "nobody"
    done = {row["key"]: row for row in rows(out) if isinstance(row, dict) and row.get("solver") == who}
    todo = list({entry.key: entry for entry in entries if entry.key not in done}.values())
    if done:
        print(f"{out}: {len(entries) - sum(e.key not in done for e in entries)} of {len(entries)} are known already")
    with engines.opened(model) if model and any(e.problem for e in todo) else nullcontext() as engine:
        for row in _solved(config, engine, todo, out, who):
            done[row["key"]] = row
    return out, [done[entry.key] | {"line": entry.line} for entry in entries]


def read(config: VerifyConfig) -> Iterator[Entry]:
    """The rows of the file. Raises RuntimeError naming file and line where one has no column for what is needed."""
    file = config.problems
    for count, (number, row) in enumerate(files.rows(str(file))):
        if config.limit is not None and count >= config.limit:
            return
        fields = {"statement": next((name for name in STATEMENTS if name in row), "statement"),
                  "topic": next((name for name in TOPICS if name in row), "topic")}  # fmt: skip
        fields |= {name: column for name, column in vars(config.fields).items() if column}
        for name in columns.NEEDED:
            if (column := fields.get(name, name)) not in row:
                raise RuntimeError(
                    f"{config.file}:{number}: no {column!r} ({name}); it has {', '.join(map(repr, row))}. "
                    f"fields.{name}=COLUMN names another column"
                )
        try:
            problem = jsonl.problem(row, fields, str(number), file.name)
        except columns.ColumnError as error:
            yield Entry(number, None, "no answer" if str(error) == "answer is null" else str(error))
            continue
        if why := unfit(problem):
            yield Entry(number, None, why)
        else:
            yield Entry(number, problem)


def unfit(problem: Problem) -> str | None:
    """Why a problem has no answer that could be compared, or None."""
    if not problem.statement:
        return "no statement"
    if _PROOF.search(problem.statement) and "?" not in problem.statement:
        return "asks for a proof, which nothing computes"
    return None if problem.answer else "no answer"


def _model(config: VerifyConfig) -> ModelConfig | None:
    if config.solver is None:
        return None
    return ModelConfig(name=config.solver, max_length=config.max_new_tokens + ROOM)


def _solved(config: VerifyConfig, engine: Any, todo: list[Entry], out: Path, who: str) -> Iterator[Row]:
    """The verdicts that are missing, each written to the file before it is given on."""
    bad = [_row(entry, who, {"proof": NONE, "why": entry.why}) for entry in todo if not entry.problem]
    append(out, bad)
    yield from bad
    good = [(entry, entry.problem) for entry in todo if entry.problem]
    solver, origin = None, {}
    agreement = AnswerComparer()
    if engine is not None:
        prompt = composed([f"prompt={config.language.value}"]).prompt
        solver = Solver(engines.Solving(engine), prompt, config.attempts)
        asked = digest(prompt.solve, prompt.compute)
        origin = {"solved_by": engines.told(engine), "sampling": vars(config.attempts), "prompt": asked}
    size = config.batch_size or int(getattr(engine, "at_once", engines.ON_GPU))
    began, held, made, answers = time.monotonic(), [], 0, 0
    proofs: Counter[str] = Counter()
    bar = tqdm(total=len(good), desc="verifying", unit="problem", disable=None, dynamic_ncols=True)
    with bar:
        for start in range(0, len(good), size):
            part = good[start : start + size]
            problems = [problem for _, problem in part]
            found = prove(problems, programmed.compute_where(problems, agreement), solver, origin)
            votes = [proof.certificate["votes"] for proof in found if proof.certificate["votes"]]
            made += sum(v["samples"] for v in votes)
            answers += sum(round(v["samples"] * (1 - v["unanswered"])) for v in votes)
            held += [_row(entry, who, proof.certificate) for (entry, _), proof in zip(part, found, strict=True)]
            if made and not answers:  # nothing is kept of a solver that may be none
                if made >= SILENT or start + size >= len(good):
                    raise RuntimeError(
                        f"solver={config.solver} answered none of {made} attempts at {start + len(part)} problems: "
                        f"raise max_new_tokens={config.max_new_tokens}, or choose another solver"
                    )
                continue
            append(out, held)
            proofs += Counter(row["proof"] for row in held)
            yield from held
            bar.update(len(held))
            held = []
            bar.set_postfix_str(f"{made} tries, {_told(proofs)}, {time.monotonic() - began:.0f} s")
    agreement.close()


def _told(proofs: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in proofs.most_common())


def _row(entry: Entry, who: str, verdict: dict[str, Any]) -> Row:
    p = entry.problem
    named = {"id": p.id, "topic": p.topic, "level": p.level, "says": words(verdict)} if p else {}
    return {"line": entry.line, "key": entry.key, "solver": who, **named, **verdict}


def by_level(found: list[Row]) -> dict[int | None, Counter[str]]:
    """How many verdicts of which kind there are on each level; None: on problems without one."""
    levels: dict[int | None, Counter[str]] = {}
    for row in found:
        levels.setdefault(row.get("level"), Counter())[row["proof"]] += 1
    return dict(sorted(levels.items(), key=lambda pair: (pair[0] is None, pair[0])))
