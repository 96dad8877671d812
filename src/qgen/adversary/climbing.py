"""A search for the junk that earns most: hill-climbing over fragments of real problems and of the grammar.

A statement is up to three sentences that give something, one that introduces what the question is about, and the
question. Only what the first ones say may be real; they are from different problems and say nothing of what is asked.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from tqdm import tqdm

from qgen.adversary import Junk
from qgen.adversary.controls import number
from qgen.adversary.grammar import expand
from qgen.mathematics import latex
from qgen.mathematics.problem import Problem
from qgen.mathematics.statement import question, questions, sentences

MOST = 3  # sentences that give something
LETTERS = 5  # that each of them may mention, so that there are others left
FREE: dict[str, tuple[str, str, tuple[str, ...]]] = {  # what a statement leaves open: introduced so, asked for so
    "real": ("Let ${p}$ and ${q}$ be real numbers.", "ordinary",
             ("{p} + {q}", "{p}{q}", "{p}^2 + {q}^2", "{a}{p} - {b}{q}", "\\frac{{{p}}}{{{q}}}", "({p} - {q})^2")),
    "positive": ("Let ${p}$ and ${q}$ be distinct positive integers.", "ordinary",
                 ("{p} + {q}", "{a}{p} + {b}{q}", "{p}^{a} + {q}", "\\gcd({p}, {q})", "\\frac{{{p}}}{{{q}}}")),
    "function": ("Let ${p}$ be a function from the integers to the integers with ${p}({a}) = {b}$.", "ordinary",
                 ("{p}({c})", "{p}(-{c})", "{p}({c}) + {p}({a})", "{p}({p}({c}))")),
    "polynomial": ("Let ${p}(x)$ be a polynomial with integer coefficients such that ${p}({a}) = {b}$.", "ordinary",
                   ("{p}({c})", "{p}({a}) - {p}({c})", "{p}(-{c})")),
    "sequence": ("Let ${p}_1, {p}_2, {p}_3, \\ldots$ be a sequence of integers with ${p}_1 = {b}$.", "ordinary",
                 ("{p}_{{{c}}}", "{p}_{{{c}}} + {p}_1", "{p}_2 + {p}_3 + {p}_4")),
    "triangle": ("Triangle ${P}{Q}{R}$ has ${P}{Q} = {a}$ and ${Q}{R} = {b}$.", "capital",
                 ("{P}{R}^2", "{P}{R}", "{P}{R} + {P}{Q}")),
}  # fmt: skip
STEMS = ("Find {}.", "Determine {}.", "Compute {}.", "What is the value of {}?", "Find the value of {}.", "What is {}?")
_STEM = re.compile(
    r"(?P<before>(?:Find|Determine|Compute|Evaluate|Calculate|What is|Give|Please find)(?: the)?(?: exact| numerical)?"
    r"(?: value)?(?: of)?) \$[^$]+\$(?P<after>[.?])"
)

Score = Callable[[list[Junk]], list[float]]


@dataclass(frozen=True)
class Fragments:
    """What statements are put together from.

    Attributes:
        given: sentences of real problems that give something and ask for nothing.
        stems: how real problems ask for a value; {} stands for what is asked for.
        answers: of real problems, those that are numbers.
    """

    given: list[str]
    stems: list[str]
    answers: list[str]


def fragments(known: list[Problem]) -> Fragments:
    """The fragments of the problems that an adversary knows."""
    given = [s for p in known for s in sentences(p.statement)[:-1] if questions(s) == 0 and 20 <= len(s) <= 300]
    given = [s for s in given if len(letters(s)) <= LETTERS]
    stems = [m["before"] + " {}" + m["after"] for p in known if (m := _STEM.fullmatch(question(p.statement)))]
    answers = sorted({str(value) for p in known if (value := number(p.answer)) is not None and value.denominator == 1})
    return Fragments(sorted(set(given)), sorted({*stems, *STEMS}), answers or ["7"])


def letters(text: str) -> set[str]:
    """The letters that a text gives a meaning to: those of its mathematics, and capitals that stand alone or as names
    of figures do, as in triangle ABC."""
    formulas = " ".join(found.group() for found in latex.MATH.finditer(text))
    named = " ".join(re.findall(r"\b[A-Z]{1,6}\b|\b[b-z]\b", latex.prose(text, " ")))
    return set(re.findall(r"[A-Za-z]", re.sub(r"\\[a-zA-Z]+", " ", formulas) + named))


@dataclass(frozen=True)
class Genome:
    """What a statement is put together from, so that one part of it can be changed."""

    given: tuple[str, ...]
    free: str  # a key of FREE
    target: int  # which of its expressions is asked for, modulo their number
    stem: str
    numbers: tuple[int, int, int]  # a, b and c, all different
    answer: str

    def junk(self, topic: str, level: int) -> Junk:
        """The statement for a request.

        Junk: what is asked for is about letters that no sentence but the one that introduces them mentions, and that
        one leaves more than one value open for it.
        """
        taken = letters(" ".join(self.given))
        sentence, case, targets = FREE[self.free]
        alphabet = "pqrstuvwyzabcdghklmn" if case == "ordinary" else "PQRSTUVWXYZABCDEFGHKLMN"
        first, second, third = [letter for letter in alphabet if letter not in taken][:3]
        a, b, c = self.numbers
        names = {"p": first, "q": second, "P": first, "Q": second, "R": third, "a": a, "b": b, "c": c}
        target = targets[self.target % len(targets)].format(**names)
        asked = self.stem.replace("{}", f"${target}$")
        statement = " ".join([*self.given, sentence.format(**names), asked])
        why = f"nothing but its introduction says anything about {first}, and that leaves {target} open"
        return Junk(Problem(statement, self.answer, topic=topic, level=level), why)


def climb(
    parts: Fragments, asked: list[tuple[str, int]], score: Score, budget: int, rng: random.Random
) -> tuple[list[Junk], list[float]]:
    """One statement a request, each the end of a climb of its own, and the mean of what they earned, a round.

    Each round changes one part of every statement, and keeps what earns no less than what it was made of.

    Args:
        asked: topic and level of each; those of one group stand together.
        score: what texts earn that are handed in together.
        budget: texts that are scored, all climbs together; at least one each.
    """
    best = [_start(parts, rng) for _ in asked]
    earned = score([g.junk(*request) for g, request in zip(best, asked, strict=True)])
    course = [sum(earned) / len(earned)]
    for _ in tqdm(range(budget // len(asked) - 1), desc="climb", unit="round", leave=False, disable=None):
        tried = [_changed(genome, parts, rng) for genome in best]
        found = score([g.junk(*request) for g, request in zip(tried, asked, strict=True)])
        for i, value in enumerate(found):
            if value >= earned[i]:
                best[i], earned[i] = tried[i], value
        course.append(sum(earned) / len(earned))
    return [g.junk(*request) for g, request in zip(best, asked, strict=True)], course


def _start(parts: Fragments, rng: random.Random) -> Genome:
    given = tuple(_given(parts, rng) for _ in range(rng.randint(0, 2)))
    a, b, c = rng.sample(range(2, 40), 3)
    answer = rng.choice(parts.answers)
    return Genome(given, rng.choice(list(FREE)), rng.randrange(6), rng.choice(parts.stems), (a, b, c), answer)


def _changed(genome: Genome, parts: Fragments, rng: random.Random) -> Genome:
    """The genome with one part drawn anew."""
    part = rng.choice(("given", "more", "less", "free", "target", "stem", "numbers", "answer"))
    given = list(genome.given)
    if part == "given" and given:
        given[rng.randrange(len(given))] = _given(parts, rng)
    elif part == "less" and given:
        given.pop(rng.randrange(len(given)))
    elif part in ("given", "more") and len(given) < MOST:
        given.insert(rng.randint(0, len(given)), _given(parts, rng))
    elif part == "free":
        return replace(genome, free=rng.choice(list(FREE)))
    elif part == "stem":
        return replace(genome, stem=rng.choice(parts.stems))
    elif part == "numbers":
        a, b, c = rng.sample(range(2, 40), 3)
        return replace(genome, numbers=(a, b, c))
    elif part == "answer":
        return replace(genome, answer=rng.choice(parts.answers))
    else:
        return replace(genome, target=rng.randrange(6))
    return replace(genome, given=tuple(given))


def _given(parts: Fragments, rng: random.Random) -> str:
    """A sentence of a real problem, or of the grammar."""
    if parts.given and rng.random() < 0.7:
        return rng.choice(parts.given)
    return expand(rng, rng.choice(("given", "other")))[0]
