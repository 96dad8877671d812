"""What is asked for: the topics and levels of the problems that are still missing, as requests of one batch after
another. Pure: the same wish, the same round and the same missing topics give the same requests, so that a certificate
can repeat them."""

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice

from qgen.data.prompts import Message, ask, named, variation, vary
from qgen.mathematics.problem import LABELS, Problem, fault, parse
from qgen.settings.choices import Kind
from qgen.settings.compose import nearest
from qgen.settings.prompt import PromptConfig

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Request:
    """One problem that is asked for; `points` are knowledge points, at most two."""

    topic: str
    level: int
    points: tuple[str, ...] = ()

    def prompt(self, config: PromptConfig, like: Problem | None = None, kind: Kind | None = None) -> list[Message]:
        """The chat that asks for it, or for a variation of `like`, of a kind or of any."""
        if like:
            return variation(config, like, kind)["prompt"] if kind else vary(config, like)
        return ask(config, self.topic, self.level, self.points)


def topic_named(name: str, known: Iterable[str]) -> str:
    """The topic that a person means: case and underscores do not matter. Raises ValueError listing what there is."""
    topics = {topic.lower(): topic for topic in known}
    plain = name.lower().replace("_", " ").strip()
    if plain not in topics:
        listed = ", ".join(sorted(topics.values()))
        raise ValueError(f"topic={name}: there is no such topic{nearest(plain, topics)} (there are: {listed})")
    return topics[plain]


def quotas(count: int, asked: dict[str, int], topics: list[str]) -> Counter[str]:
    """How many problems of each topic: what was asked for, the rest spread over the other topics; over all of them
    where all are named. Raises ValueError where more are asked for than there are problems."""
    rest = count - sum(asked.values())
    if rest < 0 or any(number < 0 for number in asked.values()):
        raise ValueError(f"the topics ask for {sum(asked.values())} problems, and there are to be {count}")
    others = [topic for topic in topics if topic not in asked] or topics
    return Counter(asked) + Counter(islice(cycle(others), rest))


def requests(missing: Counter[str], level: int | None, corpus: list[Problem], count: int, seed: int) -> list[Request]:
    """`count` requests, as many of each topic as its share of what is missing.

    They name knowledge points of a real problem of the topic as the requests do that the model was trained on. Without
    a level it is any of the five.
    """
    rng = random.Random(seed)
    topics = sorted(missing.elements())
    rng.shuffle(topics)
    points = {t: sorted({p.points for p in corpus if p.topic == t and p.points}) for t in missing}
    found = []
    for topic in islice(cycle(topics), count):
        known = rng.choice(points[topic]) if points[topic] else ()
        found.append(Request(topic, level or rng.choice(LEVELS), named(known, rng)))
    return found


def original(text: str, topic: str, level: int) -> Problem:
    """The problem that variations are asked of: with its labels and answer, or a bare statement. Raises ValueError
    saying what is wrong with it."""
    label = LABELS["en"]["statement"]
    labelled = text.lstrip().startswith(tuple(labels["statement"] for labels in LABELS.values()))
    found = parse(text if labelled else f"{label} {text}")
    if isinstance(found, Problem):
        return Problem(found.statement, found.answer, topic=topic, level=level)
    if found.kind != "no answer":
        raise ValueError(f"like: that is no problem ({found.kind}: {found.detail})")
    statement = re.sub(_LABEL, "", text).strip()
    wrong = fault(Problem(statement, "0"))  # any answer: the statement alone is looked at
    if wrong and wrong.kind != "leak":
        raise ValueError(f"like: that is no problem ({wrong.kind}: {wrong.detail})")
    return Problem(statement, "", topic=topic, level=level)


_LABEL = re.compile(rf"^\s*(?:{'|'.join(labels['statement'] for labels in LABELS.values())})")
