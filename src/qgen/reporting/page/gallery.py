"""Which of a run's problems a report shows, and what stands beside each."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from markupsafe import Markup

from qgen.data import Corpus
from qgen.mathematics.problem import Fault, Problem
from qgen.mathematics.programmed import recalled
from qgen.metrics.similarity import SimilarityIndex
from qgen.proofs.proof import decide
from qgen.proofs.votes import Votes
from qgen.reporting.page.mathematics import render
from qgen.reporting.page.runs import Corpora, Stage
from qgen.runs.files import Row
from qgen.text import tex
from qgen.text.visible import json_line

MODES = ("validation", "train", "teacher")
EACH = 100  # of a stage and mode
TOTAL = 400  # of a page: some 8 kB each
VOTES = ("agree", "runner_up", "unanswered", "other", "samples")  # as Votes.plain names them
RAW = 4000  # characters of a completion; a problem has at most 1,700


@dataclass
class Nearest:
    """The real problem most like a written one."""

    problem: Problem
    similarity: float
    heldout: bool

    @property
    def statement(self) -> Markup:
        """The known problem's statement, as HTML."""
        return render(self.problem.statement)

    @property
    def answer(self) -> Markup:
        """The known problem's answer, as HTML."""
        return mathematical(self.problem.answer)


@dataclass
class Card:
    """One completion on the page. `problem` where it parses, `fault` where it does not; of a solution, `problem` is
    what it solves."""

    stage: Stage
    mode: str
    row: Row
    raw: str
    problem: Problem | None
    fault: Fault | None
    nearest: Nearest | None = None

    @property
    def solves(self) -> bool:
        """Whether the completion is a solution of a problem that was given."""
        return "statement" in self.row

    @property
    def score(self) -> float:
        """The reward, as a number that can be sorted by."""
        return _number(self.row.get("reward"))

    @property
    def statement(self) -> Markup:
        """The statement as HTML."""
        return render(self.problem.statement if self.problem else "")

    @property
    def answer(self) -> Markup:
        """The answer as HTML."""
        return mathematical(self.problem.answer if self.problem else "")

    @property
    def latex(self) -> str:
        """The problem as an item of a LaTeX list."""
        return tex.problem(self.problem.statement, self.problem.answer) if self.problem else ""

    @property
    def line(self) -> str:
        """The problem as a line of problems.jsonl, without what is not known; '' where there is none."""
        if not self.problem:
            return ""
        found = {
            "statement": self.problem.statement,
            "answer": self.problem.answer,
            "solution": self.raw if self.solves else self.problem.solution,
            "program": self.problem.program,
            "topic": self.row.get("topic"),
            "level": self.row.get("level"),
            "reward": self.row.get("reward"),
            "proof": self.proof,
        }
        return json_line({name: value for name, value in found.items() if value not in (None, "")})

    @property
    def proof(self) -> str | None:
        """What the program and the votes that the reward asked for prove; None where it asked for neither."""
        ran, votes = self.row.get("program"), self.row.get("votes")
        if self.solves or not (ran or votes):
            return None
        try:
            agrees = True if ran and ran["exact"] else None  # what it printed is the answer that stands here
            return decide(agrees, Votes(*(votes[name] for name in VOTES)) if votes else None)
        except (KeyError, TypeError):  # another term's fact of that name
            return None

    @property
    def evidence(self) -> str:
        """What that was concluded from, in words."""
        votes, ran = self.row.get("votes"), self.row.get("program")
        told = []
        if votes:
            agree, others = (round(votes[name] * votes["samples"]) for name in ("agree", "runner_up"))
            told.append(f"{agree} of {votes['samples']} attempts arrive at this answer")
            told += [f"{others} at {votes['other']}"] if others else []
        if ran:
            told.append("its program gives it" + ("" if ran["exact"] else ", in floats"))
        return "; ".join(told)

    @property
    def terms(self) -> list[tuple[str, float | None]]:
        """The reward's terms by name; None where a term gave no value."""
        terms = self.row.get("terms")
        values = terms.items() if isinstance(terms, dict) else ()
        return [(name, float(v) if isinstance(v, int | float) else None) for name, v in values]

    @property
    def facts(self) -> list[tuple[str, object]]:
        """What terms found out on the way, such as a solver's votes."""
        known = {"mode", "step", "topic", "level", "completion", "terms", "reward", "statement", "answer"}
        known |= {"program", "votes"} if self.problem and self.proof else set()
        return [(name, value) for name, value in self.row.items() if name not in known and value not in (None, [])]


@dataclass
class Gallery:
    """The cards of a page, how many of how many, and why the nearest problems are missing where they are."""

    cards: list[Card]
    counts: dict[tuple[str, str], tuple[int, int]]  # of a kind of stage and a mode: shown, all
    missing: list[str] = field(default_factory=list)

    def values(self, what: str) -> list:
        """The distinct values that a filter chooses from."""
        found = {"stage": lambda c: c.stage.label, "mode": lambda c: c.mode, "topic": lambda c: c.row.get("topic"),
                 "level": lambda c: c.row.get("level"), "proof": lambda c: c.proof}[what]  # fmt: skip
        values = dict.fromkeys(str(value) for card in self.cards if (value := found(card)) is not None)
        return list(values) if what in ("stage", "mode") else sorted(values)


def gallery(stages: list[Stage], corpora: Corpora) -> Gallery:
    """The problems that a page shows of its stages, each with the nearest real one."""
    pools = {(i, mode): rows for i, s in enumerate(stages) for mode in MODES if (rows := _of(s, mode))}
    each = max(6, min(EACH, TOTAL // max(1, len(pools))))
    cards: list[Card] = []
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for (i, mode), rows in pools.items():
        chosen = _chosen(stages[i], mode, rows, each)
        before = counts.get((stages[i].kind, mode), (0, 0))
        counts[stages[i].kind, mode] = before[0] + len(chosen), before[1] + len(rows)
        cards += [_card(stages[i], mode, row) for row in chosen]
    return Gallery(cards, counts, _find_nearest(cards, corpora))


def best(cards: Iterable[Card], stage: Stage, count: int = 3) -> list[Card]:
    """The highest-scoring problems of a stage: of its last validation, which its final model wrote, where any parse."""
    mine = sorted((card for card in cards if card.stage is stage and not card.solves), key=lambda c: c.score)
    for mode in ("validation", "train", "teacher"):
        distinct = {c.problem.statement: c for c in mine if c.problem and c.mode == mode}
        if distinct:
            return sorted(distinct.values(), key=lambda c: -c.score)[:count]
    return []


def mathematical(answer: str) -> Markup:
    """An answer as HTML; one that is LaTeX without dollars, as some write it, as mathematics."""
    bare = "$" not in answer and any(sign in answer for sign in "\\^_") and "\\(" not in answer and "\\[" not in answer
    return render(f"${answer}$" if bare else answer)


def _of(stage: Stage, mode: str) -> list[Row]:
    return [row for row in stage.samples if row.get("mode") == mode]


def _chosen(stage: Stage, mode: str, rows: list[Row], count: int) -> list[Row]:
    """All of the last validation (or of the one whose model was kept); else half the newest, half the best."""
    if mode == "validation":
        kept = stage.summary.get("kept_step")
        steps = [row.get("step") for row in rows]
        last = kept if kept in steps else steps[-1]
        rows = [row for row in rows if row.get("step") == last]
        return rows[-min(count, stage.get("validation.prompts") or count) :]  # a resume may have written it twice
    newest = rows[-(count // 2) :]
    top = sorted(rows[: -(count // 2)], key=lambda row: -_number(row.get("reward")))
    return newest[::-1] + top[: count - len(newest)]


def _card(stage: Stage, mode: str, row: Row) -> Card:
    text = str(row["completion"])
    given = "statement" in row and "answer" in row  # and what was written is its solution
    found = Problem(str(row["statement"]), str(row["answer"])) if given else recalled(text, row.get("program"))
    raw = text if len(text) <= RAW else f"{text[:RAW]} … ({len(text):,} characters)"
    problem, fault = (found, None) if isinstance(found, Problem) else (None, found)
    return Card(stage, mode, row, raw, problem, fault)


def _find_nearest(cards: list[Card], corpora: Corpora) -> list[str]:
    """Set each problem's nearest; return why it is unknown where it is."""
    groups: dict[int, tuple[Corpus, list[tuple[Card, str]]]] = {}
    missing = []
    for card in cards:
        corpus, why = corpora.of(card.stage)
        if corpus is None:
            missing.append(f"{card.stage.label}: {why}")
        elif card.problem and not card.solves:
            groups.setdefault(id(corpus), (corpus, []))[1].append((card, card.problem.statement))
    for corpus, mine in groups.values():
        real = [*corpus.train, *corpus.heldout]
        index = SimilarityIndex([problem.statement for problem in real])
        similarity, where = index.nearest([statement for _, statement in mine])
        for (card, _), value, at in zip(mine, similarity, where, strict=True):
            if at >= 0:
                card.nearest = Nearest(real[at], float(value), bool(at >= len(corpus.train)))
    return list(dict.fromkeys(missing))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
