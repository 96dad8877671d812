"""From what a source holds to what is trained on: malformed, repeated and poor problems go, some are held out."""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from qgen.data.quality import quality
from qgen.mathematics.problem import Fault, Problem, fault, misread
from qgen.metrics.similarity import mask, near_duplicates
from qgen.settings.data import DataConfig
from qgen.settings.prompt import PromptConfig

NAMED = 3  # rows of a reason, at most
UNSURE = 3  # problems more that a knowledge point is taken to have, of other topics


@dataclass(frozen=True)
class Corpus:
    """Curated problems. No problem of `heldout` is in `train`, nor a near-duplicate of one."""

    train: list[Problem]
    heldout: list[Problem]
    read: int
    dropped: Counter = field(default_factory=Counter)  # reason -> problems
    rows: dict[str, list[str]] = field(default_factory=dict)  # reason -> its first rows, where a row itself is broken

    def reasons(self) -> str:
        """How many were dropped for what, and the first rows that are broken themselves."""
        said = []
        for reason, count in self.dropped.most_common():
            named = self.rows.get(reason, [])
            first = ", ".join(named) + (", ..." if count > len(named) else "")
            said.append(f"{count} {reason}" + (f" ({first})" if named else ""))
        return ", ".join(said) or "none dropped"


def curate(
    problems: Iterable[Problem | Fault],
    config: DataConfig,
    prompt: PromptConfig | None = None,
    apart: Iterable[Problem | Fault] | None = None,
) -> Corpus:
    """Drop, score and split problems as `config` says; the same input and config give the same split.

    Args:
        problems: what a source read, and a Fault in the place of each row that it could not read.
        prompt: how the problems will be written; None: in English, without solutions.
        apart: the problems to hold out, unchanged, where they are another file's; None: hold out a share of `problems`.
    """
    corpus = _good(problems, config, prompt) if config.curate else _readable(problems)
    if apart is None:
        train, heldout = split(corpus.train, config.heldout, config.split_seed)
        return replace(corpus, train=train, heldout=heldout)
    heldout = _readable(apart).train
    train = _without(corpus.train, heldout, config.near_duplicate) if config.curate else corpus.train
    repeated = Counter({"near-duplicate of what is held out": len(corpus.train) - len(train)})
    return replace(
        corpus, train=train, heldout=heldout, read=corpus.read + len(heldout), dropped=+(corpus.dropped + repeated)
    )


def _readable(problems: Iterable[Problem | Fault]) -> Corpus:
    """All that are problems, as they are."""
    found = list(problems)
    dropped = Counter(p.kind for p in found if isinstance(p, Fault))
    rows: dict[str, list[str]] = defaultdict(list)
    for broken in (p for p in found if isinstance(p, Fault)):
        rows[broken.kind] = [*rows[broken.kind], broken.detail][:NAMED]
    return Corpus(levelled([p for p in found if isinstance(p, Problem)]), [], len(found), dropped, dict(rows))


def _without(problems: list[Problem], heldout: list[Problem], threshold: float) -> list[Problem]:
    """The problems that repeat none of those held out, with other numbers either."""
    for view in (str, mask):
        repeats = near_duplicates([view(p.statement) for p in [*heldout, *problems]], threshold)
        problems = [
            p
            for p, first in zip(problems, repeats[len(heldout) :], strict=True)
            if first is None or first >= len(heldout)
        ]
    return problems


def _good(problems: Iterable[Problem | Fault], config: DataConfig, prompt: PromptConfig | None) -> Corpus:
    """Those that are well-formed, of quality, and no near-duplicates of one another."""
    kept, seen, total = [], set(), 0
    dropped: Counter[str] = Counter()
    rows: dict[str, list[str]] = defaultdict(list)
    written = (prompt.language.value, prompt.solution) if prompt else ()
    for problem in problems:
        total += 1
        if isinstance(problem, Fault):
            dropped[problem.kind] += 1
            rows[problem.kind].append(problem.detail)
        elif (wrong := fault(problem)) is not None:
            dropped[f"malformed: {wrong.kind}"] += 1
        elif kind := misread(problem, *written):
            dropped[reason := f"read back as another text: {kind}"] += 1
            rows[reason].append(problem.id)
        elif (key := re.sub(r"\W+", "", problem.statement.lower())) in seen:
            dropped["duplicate"] += 1
        else:
            seen.add(key)
            kept.append(replace(problem, quality=quality(problem)))
    good = [p for p in kept if (p.quality or 0.0) >= config.min_quality]
    dropped["low quality"] += len(kept) - len(good)
    kept = good
    for view in (str, mask):  # a problem with other numbers is the same problem
        repeats = near_duplicates([view(p.statement) for p in kept], config.near_duplicate)
        kept = [p for p, first in zip(kept, repeats, strict=True) if first is None]
    kept = pointed(levelled(kept))
    dropped["near-duplicate"] += len(good) - len(kept)
    return Corpus(kept, [], total, +dropped, {reason: names[:NAMED] for reason, names in rows.items()})


def levelled(problems: list[Problem]) -> list[Problem]:
    """Give a level to problems that have none: the quintile of their solution's length among those problems."""
    lengths = sorted(len(p.solution) for p in problems if p.level is None)
    return [
        p if p.level is not None else replace(p, level=1 + min(4, 5 * lengths.index(len(p.solution)) // len(lengths)))
        for p in problems
    ]


def pointed(problems: list[Problem]) -> list[Problem]:
    """Put each problem's knowledge points in the order of how much they tell of its topic: the share of the problems
    with a point that are of this topic, as if UNSURE more were of others, for what is rare tells little."""
    counts = Counter(point for p in problems for point in p.points)
    own = Counter((p.topic, point) for p in problems for point in p.points)

    def told(problem: Problem, point: str) -> float:
        return own[problem.topic, point] / (counts[point] + UNSURE)

    return [replace(p, points=tuple(sorted(p.points, key=lambda point: -told(p, point)))) for p in problems]


def split(problems: list[Problem], share: float, seed: int) -> tuple[list[Problem], list[Problem]]:
    """Hold out a share of each topic (at least one problem of a topic that has several), by seed."""
    topics = defaultdict(list)
    for problem in problems:
        topics[problem.topic].append(problem)
    held: set[int] = set()
    for topic in sorted(topics):
        members = topics[topic]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held.update(id(p) for p in random.Random(f"{seed}/{topic}").sample(members, count))
    return [p for p in problems if id(p) not in held], [p for p in problems if id(p) in held]
