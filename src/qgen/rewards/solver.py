"""What the frozen base makes of problems: it solves each several times, and its answers are put to the vote."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgen.config import SolverConfig
from qgen.problem import Problem
from qgen.rewards.agreement import Agreement, final_answer

if TYPE_CHECKING:
    from qgen.rewards.base import Base


KEPT = 4096  # problems whose votes are remembered


@dataclass(frozen=True)
class Votes:
    """How m attempts at a problem ended."""

    agree: float  # share whose answer is the problem's own
    runner_up: float  # share of the most frequent other answer
    unanswered: float  # share without a final answer
    other: str  # that most frequent other answer
    samples: int  # m

    @property
    def solvable(self) -> bool:
        """Whether the problem's own answer is clearly the one that attempts arrive at.

        At least two attempts and one more than for any other answer agree, and at most a quarter end without one
        (the gate of the verified rewards, see rewards/solvable.py).
        """
        edge = 1e-9
        least = self.agree >= 2 / self.samples - edge and self.agree >= self.runner_up + 1 / self.samples - edge
        return least and self.unanswered <= 0.25 + edge


class Solver:
    """The frozen base as a solver of problems.

    Args:
        base: who solves.
        config: attempts, their length, and what counts as a solver that can be believed.
        corpus: the training problems, some of which are solved first to find out whether it can.

    Attributes:
        rate: share of attempts at real problems that end with the real answer, 0 to 1.
        usable: whether that is at least config.usable.
    """

    def __init__(self, base: "Base", config: SolverConfig, corpus: list[Problem]):
        self.base, self.config = base, config
        self.agreement = Agreement(config.time_out)
        self._known: dict[tuple[str, str], Votes] = {}
        tried = random.Random(0).sample(corpus, min(config.calibrate, len(corpus)))
        self.rate = sum(v.agree for v in self.votes(tried)) / len(tried) if tried else 0.0
        self.usable = self.rate >= config.usable
        self.note = f"the base answers {self.rate:.0%} of real problems (reward.solver.usable={config.usable:.0%})"

    def votes(self, problems: list[Problem]) -> list[Votes]:
        """The votes on each problem. Those of the last KEPT problems are kept, for every term that asks."""
        keys = [(p.statement, p.answer) for p in problems]
        fresh = {key: p for key, p in zip(keys, problems, strict=True) if key not in self._known}
        if fresh:
            statements = [p.statement for p in fresh.values()]
            seed = random.Random("\0".join(statements).encode(errors="surrogatepass")).randrange(2**31)
            attempts = self.base.solve(statements, self.config, seed)
            answers = [[final_answer(a.text) if a.finished else None for a in group] for group in attempts]
            counted = self.agreement.count([p.answer for p in fresh.values()], answers)
            found = {
                key: Votes(agree / m, runner / m, sum(a is None for a in group) / m, other, m)
                for key, group, (agree, runner, other) in zip(fresh, answers, counted, strict=True)
                for m in [len(group)]
            }
            known = self._known | found
            self._known = dict(list(known.items())[max(0, len(known) - max(KEPT, len(keys))) :])
            return [known[key] for key in keys]
        return [self._known[key] for key in keys]
