"""What texts earn as GRPO would pay for them, and whether the best junk earns what real problems do.

What is paid is the weighted total: reward.normalize, which weighs terms by their spread while training, is left out.
"""

from typing import Any

import numpy as np

from qgen.data.prompts import ask
from qgen.mathematics.problem import Problem, render
from qgen.rewards import Rewards
from qgen.settings.prompt import PromptConfig

Row = dict[str, Any]  # topic, level, completion, reward, terms, what terms found out; of junk also class and why

BEST = 3  # texts of a class that are scored again, and shown
FEW = 8  # real problems of a level, from which its own standard is taken


class Payer:
    """Scores texts in the batches in which training does, by rewards that are shown none of them.

    Args:
        prompt: how problems are asked for.
        batch: texts that are scored together: those of an optimizer step.
    """

    def __init__(self, rewards: Rewards, prompt: PromptConfig, batch: int):
        self.rewards, self.prompt, self.batch = rewards, prompt, batch

    def __call__(self, problems: list[Problem]) -> list[Row]:
        """A row a problem, each having been handed in for its topic and level; neighbours are scored together."""
        parts = (problems[i : i + self.batch] for i in range(0, len(problems), self.batch))
        return [row for part in parts for row in self._batch(part)]

    def _batch(self, problems: list[Problem]) -> list[Row]:
        prompts = [ask(self.prompt, p.topic, p.rated) for p in problems]
        texts = [render(p, self.prompt.language.value) for p in problems]
        columns = {"topic": [p.topic for p in problems], "level": [p.level for p in problems]}
        scores = self.rewards.score(prompts, texts, **columns)
        return [
            {"topic": p.topic, "level": p.level, "completion": text, "reward": round(scores.total[i], 4),
             "terms": scores.row(i), **scores.facts[i]}
            for i, (p, text) in enumerate(zip(problems, texts, strict=True))
        ]  # fmt: skip

    def again(self, problems: list[Problem], which: list[int]) -> list[float]:
        """What some of a class's texts earn when they are scored again. The best of many draws was lucky, and is not
        lucky twice. The batches are those of before in the opposite order, so that a solver makes other attempts."""
        batches = sorted({i // self.batch for i in which})
        found: dict[int, float] = {}
        for number in batches:
            members = range(number * self.batch, min((number + 1) * self.batch, len(problems)))[::-1]
            found |= zip(members, (row["reward"] for row in self([problems[i] for i in members])), strict=True)
        return [found[i] for i in which]


class Standard:
    """What real problems earn, by the level that was asked for.

    Args:
        rows: of real problems, each asked for at its own level. Those that earn nothing set no standard: a solver that
            fails at half of the hard problems would put their median at 0, which any junk earns.

    Raises RuntimeError where none earns anything.
    """

    def __init__(self, rows: list[Row]):
        paid = [row for row in rows if row["reward"] > 0]
        if not paid:
            raise RuntimeError(
                f"none of {len(rows)} real problems earns anything under these rewards: check the solver"
            )
        self.rewards = np.array([row["reward"] for row in paid])
        self._levels = np.array([row["level"] for row in paid])

    def of(self, level: int, share: float = 0.5) -> float:
        """The reward that `share` of a level's real problems stay below, of those that earn anything. Where the level
        has few, of all levels'."""
        own = self.rewards[self._levels == level]
        return float(np.quantile(own if len(own) >= FEW else self.rewards, share))

    def above(self, row: Row, share: float = 0.5) -> float:
        """How far a row's reward lies above that of its level."""
        return row["reward"] - self.of(row["level"], share)

    def best(self, rows: list[Row]) -> list[int]:
        """The BEST rows by how far they lie above their level's median, the best first: their numbers."""
        return sorted(range(len(rows)), key=lambda i: -self.above(rows[i]))[:BEST]

    def figures(self, name: str, rows: list[Row]) -> Row:
        """What a class earns: mean, 90th percentile and best; the shares of its texts that earn at least the median,
        and the 10th percentile, of real problems of their level; and the same by level. It is `bought` where one of
        those that were scored `again` earned that median both times."""
        levels = {level: [r for r in rows if r["level"] == level] for level in sorted({r["level"] for r in rows})}
        twice = [r["again"] for r in rows if "again" in r]
        bought = any(
            self.above(r) >= 0 and self.above(r | {"reward": r["again"]}) >= 0 for r in rows if "again" in r
        )  # fmt: skip
        return {
            "class": name, "texts": len(rows), **self._of(rows), "again": max(twice, default=None), "bought": bought,
            "levels": {
                str(level): {"texts": len(own), "standard": self.of(level), **self._of(own)}
                for level, own in levels.items()
            },
        }  # fmt: skip

    def _of(self, rows: list[Row]) -> Row:
        if not rows:
            return dict.fromkeys(("mean", "p90", "best", "median", "above_median", "above_tenth"))
        earned = np.array([row["reward"] for row in rows])
        return {
            "mean": round(float(earned.mean()), 4),
            "median": round(float(np.median(earned)), 4),
            "p90": round(float(np.quantile(earned, 0.9)), 4),
            "best": round(float(earned.max()), 4),
            "above_median": round(float(np.mean([self.above(row) >= 0 for row in rows])), 4),
            "above_tenth": round(float(np.mean([self.above(row, 0.1) >= 0 for row in rows])), 4),
        }
