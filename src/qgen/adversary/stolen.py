"""Real problems handed in as what they are not: with a wrong answer, two as one, copied, again and again, off topic."""

import random
from dataclasses import replace
from fractions import Fraction

from qgen.adversary import Junk, Material
from qgen.adversary.controls import number
from qgen.adversary.paraphrase import paraphrase
from qgen.adversary.undetermined import written
from qgen.mathematics.problem import Problem
from qgen.mathematics.statement import question, sentences
from qgen.metrics.topics import topics

FOREIGN = 0.02  # probability of a topic below which a problem is not of it


def wrong(material: Material, rng: random.Random) -> list[Junk]:
    """Unseen problems whose answer is a number, each with another number that a slip could lead to.

    Junk: the number is not the published answer.
    """
    made = []
    for problem in _drawn(_numbered(material.unseen), material, rng):
        if (right := number(problem.answer)) is not None:
            answer = written(rng.choice(_slips(right)))
            made.append(Junk(replace(problem, answer=answer), f"the answer is {written(right)}"))
    return made


def merged(material: Material, rng: random.Random) -> list[Junk]:
    """Two unseen problems as one: both questions and one answer, or the conditions of both and the other's answer.

    Junk: of two questions one answer answers one alone; and where one question is left, the answer is that of the other
    problem, which is another number.
    """
    known = _numbered(material.unseen)
    made = []
    for first in _drawn(known, material, rng):
        others = [p for p in known if number(p.answer) != number(first.answer)]
        if not others:
            continue
        second = rng.choice(others)
        given = [s for s in sentences(first.statement) if s != question(first.statement)]
        if not given or rng.random() < 0.5:
            joint = rng.choice((" ", " Also, ", " Moreover, ", " In addition, "))
            statement = first.statement.rstrip() + joint + _lower(second.statement, joint)
            why = f"it asks two things, whose answers are {first.answer} and {second.answer}"
        else:
            asked = question(second.statement)
            kept = [s for s in sentences(second.statement) if s != asked]
            statement = " ".join([*given, *kept, asked])
            why = f"what is asked has the answer {second.answer}, or none; {first.answer} is another problem's"
        made.append(Junk(replace(first, statement=statement), why))
    return made


def paraphrased(material: Material, rng: random.Random) -> list[Junk]:
    """Problems that the rewards were made of, in other words and with their right answers.

    Junk: a copy of a problem that is known.
    """
    told = [(p, paraphrase(p, rng)) for p in material.known]
    drawn = _drawn([copy for _, copy in told if copy], material, rng)
    originals = {copy.statement: p.statement for p, copy in told if copy}
    return [Junk(copy, f"a copy of: {originals[copy.statement]}") for copy in drawn]


def repeat(material: Material, rng: random.Random) -> list[Junk]:
    """A group of one unseen problem, word for word the same in each text.

    Junk: a group of texts that are the same is one problem, whatever that is worth.
    """
    groups = len(material.asked) // material.size
    of = rng.sample(material.unseen, min(groups, len(material.unseen)))
    return [Junk(p, f"one of {material.size} texts that are the same") for p in of for _ in range(material.size)]


def constant(material: Material, rng: random.Random) -> list[Junk]:
    """Unseen problems that all have one answer: a small number, which is that of none of them.

    Junk: the answer is wrong, and is given whatever is asked.
    """
    answer = rng.choice(range(13))
    false = [p for p in _numbered(material.unseen) if number(p.answer) != answer]
    return [
        Junk(replace(p, answer=str(answer)), f"the answer is {p.answer}; {answer} is given whatever is asked")
        for p in _drawn(false, material, rng)
    ]


def offtopic(material: Material, rng: random.Random) -> list[Junk]:
    """Unseen problems handed in for another topic than theirs, of the level that they have.

    Junk: it is not of the topic that was asked for. As topics overlap, it is one whose name shares no word with the
    problem's own, as Algebra and Intermediate Algebra do, and that a classifier of real problems (metrics/topics.py)
    gives less than FOREIGN.
    """
    model = topics(material.known)
    if not model.topics:
        return []
    strays = rng.sample(material.unseen, len(material.unseen))
    made: list[Junk] = []
    for problem, shares in zip(strays, model.probabilities([p.statement for p in strays]), strict=True):
        likely = dict(zip(model.topics, map(float, shares), strict=True))
        far = [topic for topic, share in likely.items() if share < FOREIGN and not _akin(topic, problem.topic)]
        if far and len(made) < len(material.asked):
            topic = rng.choice(far)
            why = f"its topic is {problem.topic}; a classifier gives {topic} {likely[topic]:.1%}"
            made.append(Junk(replace(problem, topic=topic), why))
    return sorted(made, key=lambda junk: (junk.problem.topic, junk.problem.rated))


def _drawn(problems: list[Problem], material: Material, rng: random.Random) -> list[Problem]:
    """As many of the problems as there are requests, at most, those of one topic and level together, as in a group."""
    found = rng.sample(problems, min(len(material.asked), len(problems)))
    return sorted(found, key=lambda p: (p.topic, p.level))


def _numbered(problems: list[Problem]) -> list[Problem]:
    return [p for p in problems if number(p.answer) is not None]


def _slips(right: Fraction) -> list[Fraction]:
    """What one slip leads to: a number that is off by one, twice or half as large, upside down, of the other sign."""
    found = {right + 1, right - 1, 2 * right, right / 2, -right, right + 2}
    if right.denominator > 1:
        found = {1 - right, 1 / right, 2 * right, right / 2, Fraction(right.numerator + 1, right.denominator)}
    if right > 0:
        found = {value for value in found if value > 0}
    if right.denominator == 1:
        found = {value for value in found if value.denominator == 1}
    return sorted(found - {right})


def _akin(one: str, other: str) -> bool:
    return bool({w.lower()[-7:] for w in one.split()} & {w.lower()[-7:] for w in other.split()})


def _lower(statement: str, joint: str) -> str:
    return statement if joint == " " or statement[:2].strip() == "$" else statement[:1].lower() + statement[1:]
