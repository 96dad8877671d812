"""What a solver does on real problems: its rates with intervals, by kind of attempt, level and topic; and the ease that
a level asks for, which is what this solver does on real problems of that level."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr

from qgen.data.prompts import spread
from qgen.mathematics.problem import Problem
from qgen.metrics.intervals import Interval, proportion
from qgen.proofs.attempts import KINDS
from qgen.runs.files import read_json, write_json
from qgen.runtime import cache, ranks
from qgen.settings.prompt import PromptConfig
from qgen.settings.reward import SolverConfig

VERSION = 6  # of how attempts are made and read: another makes the cache's files anew
FOLDER = "solvers"  # in the cache
CHANCE = 0.05  # of a trend as strong where levels say nothing, below which they are told apart
LEVELS = range(1, 6)


@dataclass(frozen=True)
class Tried:
    """How the attempts at one real problem ended."""

    level: int | None
    topic: str
    agree: float  # share of right ones among those that an adaptive solver makes
    kinds: dict[str, dict[str, int]]  # of each kind: made, agree, unanswered (votes.py)
    cut: int  # attempts that their length ended


class Calibration:
    """What is known of a solver from real problems, all of whose attempts were made.

    Args:
        tried: the problems.
    """

    def __init__(self, tried: list[Tried]):
        self.tried = tried

    @property
    def rate(self) -> float:
        """Share of right attempts, 0 to 1; 0 where there are none."""
        found = self.share()
        return found.value if found else 0.0

    def share(self, kind: str | None = None, **of: int | str) -> Interval | None:
        """The share of right attempts, of one kind or both, at problems of a level or topic, with Wilson's interval;
        attempts at one problem count as alike as they are (metrics/intervals.py). None where there are none."""
        values, problems = [], []
        for number, one in enumerate(self.tried):
            if all(getattr(one, name) == value for name, value in of.items()):
                for name, counts in one.kinds.items():
                    if kind in (None, name):
                        values += [1.0] * counts["agree"] + [0.0] * (counts["made"] - counts["agree"])
                        problems += [number] * counts["made"]
        return proportion(np.array(values), np.array(problems)) if values else None

    @property
    def cut(self) -> float:
        """Share of attempts that their length ended before an answer."""
        made = sum(counts["made"] for one in self.tried for counts in one.kinds.values())
        return sum(one.cut for one in self.tried) / made if made else 0.0

    @cached_property
    def trend(self) -> tuple[float, float]:
        """Spearman's rank correlation of level and ease, and the chance of one as far below 0 where there is none."""
        known = [one for one in self.tried if one.level is not None]
        levels, eases = [one.level for one in known], [one.agree for one in known]
        if len(set(levels)) < 2 or len(set(eases)) < 2:
            return 0.0, 1.0
        found = spearmanr(levels, eases, alternative="less")
        return float(found.statistic), float(found.pvalue)

    @property
    def tells_levels(self) -> bool:
        """Whether harder levels are harder for this solver, more than chance makes them."""
        return self.trend[1] < CHANCE

    @cached_property
    def eases(self) -> dict[int, float]:
        """The share of right attempts at problems of each level from 1 to 5 that the corpus has, as an adaptive solver
        makes them: the means, pooled where a higher level's is not lower (isotonic regression)."""
        return _pooled({level: [one.agree for one in self.tried if one.level == level] for level in LEVELS})

    def ease(self, level: int) -> float:
        """The ease that a level asks for, 0 to 1; between levels that were tried, in a straight line."""
        return float(np.interp(level, list(self.eases), list(self.eases.values())))

    @property
    def note(self) -> str:
        """What it does, in one line."""
        found = self.share()
        if found is None:
            return "was tried on no real problem"
        kinds = {kind: self.share(kind) for kind in KINDS}
        each = ", ".join(f"{each.value:.0%} as {kind}" for kind, each in kinds.items() if each)
        said = (
            f"answers {found.value:.0%} of real problems ({len(self.tried)} tried, 95 % interval {found.low:.0%} to "
            f"{found.high:.0%}; {each}; {self.cut:.0%} cut off)"
        )
        return said if self.tells_levels else f"{said}, and cannot tell their levels apart"


def _pooled(groups: dict[int, list[float]]) -> dict[int, float]:
    """The mean of each group that holds something, in their order, pooled where a later one's is not lower."""
    known = [level for level, values in groups.items() if values]
    if not known:
        return {}
    means, counts = zip(*((np.mean(groups[level]), float(len(groups[level]))) for level in known), strict=True)
    return dict(zip(known, map(float, isotonic_regression(means, weights=counts, increasing=False).x), strict=True))


def chosen(corpus: list[Problem], count: int) -> list[Problem]:
    """At most `count` of the problems, as evenly as can be from each topic and level, the same each time."""
    return spread(corpus, min(count, len(corpus)), seed=0)


def kept(
    identity: str | None,
    problems: list[Problem],
    prompt: PromptConfig,
    config: SolverConfig,
    find: Callable[[], Calibration],
) -> Calibration:
    """The calibration for these weights, problems and settings. It is read from the cache; where the cache has none,
    `find` makes one, and the cache keeps it. With several ranks, all read the first one's.

    Args:
        identity: of the weights; None: nothing is kept.
    """
    if identity is None:
        return find()
    told = {
        "version": VERSION,
        "weights": identity,
        "problems": [[p.statement, p.answer, p.topic, p.level] for p in problems],
        "prompts": [prompt.solve, prompt.compute],
        "settings": [config.samples, config.programs, config.max_new_tokens, config.temperature],
    }
    digest = hashlib.sha256(json.dumps(told).encode(errors="surrogatepass")).hexdigest()
    file = cache.directory() / FOLDER / f"{digest[:24]}.json"
    rows = ranks.gather([read_json(file).get("tried") if ranks.first() else None])[0]
    if rows is not None:
        return Calibration([Tried(**row) for row in rows])
    found = find()
    if ranks.first():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"tried": [asdict(one) for one in found.tried]})
    return found
