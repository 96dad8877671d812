"""Controls: real problems spoiled in known ways. A metric that cannot tell them from real ones measures nothing."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from qgen.mathematics import latex
from qgen.mathematics.answers import plain
from qgen.mathematics.problem import Problem

Corruption = Callable[[Problem, list[Problem], random.Random], Problem]


def shuffle(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """The statement's words in another order, each piece of mathematics staying whole."""
    words = _words(problem.statement)
    end = words[-1][-1] if words[-1][-1] in ".?。？" else "?"
    words[-1] = words[-1].rstrip(".?。？") or "it"
    rng.shuffle(words)
    return replace(problem, statement=_joined(words) + end)


def stuff(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """Terms of art put between the statement's words, one for every second word."""
    words = _words(problem.statement)
    for _ in range(max(6, len(words) // 2)):
        words.insert(rng.randrange(len(words)), rng.choice(TERMS_OF_ART))
    return replace(problem, statement=_joined(words))


def copy(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """A problem of the corpus, word for word."""
    return rng.choice(corpus)


def number_swap(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """A problem of the corpus with each number of two digits or more, or every number, replaced by another."""
    source = rng.choice(corpus)
    statement = re.sub(r"\d+", lambda found: str(rng.randint(2, 9 * 10 ** (len(found.group()) - 1))), source.statement)
    return replace(source, statement=statement)


def truncate(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """The statement's first two fifths to four fifths."""
    words = _words(problem.statement)
    return replace(problem, statement=_joined(words[: max(2, round(rng.uniform(0.4, 0.8) * len(words)))]))


def delete_condition(problem: Problem, corpus: list[Problem], rng: random.Random) -> Problem:
    """The statement without one of the clauses that hold a condition: a sentence before the question, or an 'if',
    'where', 'such that', 'for ...' clause of it. Without such a clause, the problem as it was."""
    spans = [(m.start(), m.end()) for m in _CLAUSE.finditer(_masked(problem.statement)) if m.end() - m.start() > 8]
    if not spans:
        return problem
    start, end = rng.choice(spans)
    before, after = problem.statement[:start].rstrip(" ,"), problem.statement[end:].lstrip(" ,")
    rest = (before + ("" if after[:1] in ".?!" else " ") + after).strip()
    return replace(problem, statement=rest[:1].upper() + rest[1:] + ("" if rest[-1:] in "?.!$" else "."))


def number(answer: str) -> Fraction | None:
    """The value of an answer that is an integer, a decimal or a fraction alone, or None."""
    found = re.fullmatch(r"-?\d{1,15}(?:\.\d{1,15}|/\d{1,15})?", plain(answer))
    return None if found is None or re.search(r"/0+$", found.group()) else Fraction(found.group())


CONTROLS: dict[str, Corruption] = {
    "shuffle": shuffle,
    "stuff": stuff,
    "copy": copy,
    "numbers": number_swap,
    "truncate": truncate,
    "deletion": delete_condition,
}
TERMS_OF_ART = (
    "theorem", "lemma", "proof", "contradiction", "induction", "modular", "arithmetic", "inequality", "polynomial",
    "integer", "prime", "sequence", "combinatorial", "bijection", "invariant", "convergence", "optimal", "rigorous",
    "geometry", "algebra", "therefore", "corollary", "congruence", "symmetric", "recursion", "elegant",
)  # fmt: skip


def _words(statement: str) -> list[str]:
    """The words of a statement; in Chinese, which puts no blanks between them, its characters."""
    spans: list[str] = []

    def keep(found: re.Match) -> str:
        spans.append(found.group())
        return f"\x00{len(spans) - 1}\x00"

    marked = latex.MATH.sub(keep, statement.replace("\x00", " "))
    marked = re.sub(r"(?<=[一-鿿，；：、])|(?=[一-鿿])", " ", marked)
    return [re.sub(r"\x00(\d+)\x00", lambda found: spans[int(found[1])], word) for word in marked.split()] or ["it"]


def _joined(words: list[str]) -> str:
    return re.sub(r"(?<=[一-鿿，；：、]) | (?=[一-鿿])", "", " ".join(words))


def _masked(statement: str) -> str:
    """The statement with mathematics replaced by marks of the same length, so that clauses can be cut around it."""
    return latex.MATH.sub(lambda found: "\x01" * len(found.group()), statement)


_CLAUSE = re.compile(
    r"(?:^|(?<=[.?!]\s))[^.?!]*[\x01\d][^.?!]*\.(?=\s)"  # a sentence with mathematics that is not the last
    r"|(?:^|(?<=[.?!]\s))(?:If|Let|For|Given|Suppose|When)\b[^.?!,]*[\x01\d][^.?!,]*,(?=\s)"
    r"|(?:,\s|\s)(?:if|where|such that|given that|for which|so that|with|satisfying|when|for (?:all|any|"
    r"every|positive|real|"
    r"integers?|some|non-negative)?)\b[^,.?!]*[\x01\d][^,.?!]*(?=[,.?!])"
)
