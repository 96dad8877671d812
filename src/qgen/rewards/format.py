"""format: is the completion a problem at all? The gate of the shipped reward groups."""

from collections import Counter
from typing import Any

from scipy.stats import binom

from qgen.data.scripts import SCRIPTS, scripts
from qgen.mathematics.answers import plain
from qgen.mathematics.problem import Problem
from qgen.metrics.prose import prose
from qgen.rewards.registry import Completion, parsed, term
from qgen.rewards.rigor import substance
from qgen.settings.choices import Language


@term("format")
class Format:
    """1 where the completion is a problem, reads like one and has an answer of its own, else 0.

    - It is a problem where `problem.parse` says so: one question, an answer, LaTeX that compiles, no leak of the
      answer, no loops, a whole statement.
    - It reads like one where no half of it is idle talk (substance, in rigor.py), its words stand in an order and are
      not heaped up (metrics/prose.py, which knows other authors than the corpus's, in English and in Chinese), and its
      letters are those that real statements, or others in the language that was asked for, are written in.
    - It has an answer of its own unless too many different problems, of the batch and of those remembered, have the
      same one: so many more than of real problems that chance would do it once in 10,000 times (binomial test). A
      model that always answers 0 answers nothing.

    Args:
        corpus: the training problems.
        memory: how many of the problems written last are remembered.
        language: that problems are asked for in.
    """

    CHANCE = 1e-4
    USUAL = 0.02  # any answer may be that frequent
    LEAST = 4  # problems with one answer, before chance is asked

    def __init__(self, corpus: list[Problem], memory: int = 200, language: Language = Language.en):
        self.prose = prose(tuple(corpus))
        self.share = {a: n / len(corpus) for a, n in Counter(plain(p.answer) for p in corpus).items()}
        self.scripts = SCRIPTS[language].union(*(scripts(p.statement) for p in corpus))
        self.limit = memory
        self.memory: dict[str, str] = {}  # statement -> answer, the oldest first

    def __call__(self, completions: list[Completion], **_) -> list[float]:
        problems = [p if isinstance(p, Problem) and self.fault(p) is None else None for p in parsed(completions)]
        written = self.memory | {p.statement: plain(p.answer) for p in problems if p}
        counts = Counter(written.values())
        always = {a for a, n in counts.items() if n >= self.LEAST and self._chance(a, n, len(written)) < self.CHANCE}
        return [float(p is not None and plain(p.answer) not in always) for p in problems]

    def fault(self, problem: Problem) -> str | None:
        """Why a parsed problem does not read like one, or None."""
        if strange := scripts(problem.statement) - self.scripts:
            return f"letters that are {', '.join(sorted(strange))}"
        if substance(problem.statement) == 0.0:
            return "half of it says nothing about the question"
        return self.prose.fault(problem.statement)

    def _chance(self, answer: str, count: int, of: int) -> float:
        """The probability that real problems would have an answer as often."""
        return float(binom.sf(count - 1, of, max(self.USUAL, self.share.get(answer, 0.0))))

    def observe(self, completions: list[Completion]) -> None:
        """Remember the problems among completions that were trained on."""
        for problem in parsed(completions):
            if isinstance(problem, Problem) and self.fault(problem) is None:
                self.memory.pop(problem.statement, None)
                self.memory[problem.statement] = plain(problem.answer)
        self.memory = dict(list(self.memory.items())[max(0, len(self.memory) - self.limit) :])

    def state_dict(self) -> dict[str, Any]:
        return {"memory": self.memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.memory = dict(state["memory"])
