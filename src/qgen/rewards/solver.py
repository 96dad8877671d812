"""What the frozen base makes of problems: it solves each several times, and its answers are put to the vote."""

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qgen.mathematics.equivalence import AnswerComparer, final_answer
from qgen.mathematics.problem import Problem
from qgen.settings.reward import SolverConfig

if TYPE_CHECKING:
    from qgen.rewards.base import Base


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
        self.agreement = AnswerComparer(config.time_out)
        self.keep = False  # True: parts of the last batch are not solved again (the check, which resumes nothing)
        self._known: dict[tuple[str, str], Votes] = {}
        tried = random.Random(0).sample(corpus, min(config.calibrate, len(corpus)))
        self.rate = sum(v.agree for v in self.votes(tried)) / len(tried) if tried else 0.0
        self.usable = self.rate >= config.usable
        self.note = f"the base answers {self.rate:.0%} of real problems (reward.solver.usable={config.usable:.0%})"

    def votes(self, problems: list[Problem]) -> list[Votes]:
        """The votes on each problem.

        Those of the last batch are kept, for every term that asks. Any other batch is solved whole, by a seed of its
        own: so a resumed run, which has nothing kept, solves as an uninterrupted one does.
        """
        keys = [(p.statement, p.answer) for p in problems]
        asked = list(dict.fromkeys(keys))
        if asked != list(self._known) and not (self.keep and all(key in self._known for key in asked)):
            statements = [statement for statement, _ in asked]
            seed = random.Random("\0".join(statements).encode(errors="surrogatepass")).randrange(2**31)
            attempts = self.base.solve(statements, self.config, seed)
            answers = [[final_answer(a.text) if a.finished else None for a in group] for group in attempts]
            counted = self.agreement.count([answer for _, answer in asked], answers)
            self._known = {}
            for key, group, (agree, runner, other) in zip(asked, answers, counted, strict=True):
                m = len(group)
                self._known[key] = Votes(agree / m, runner / m, group.count(None) / m, other, m)
        return [self._known[key] for key in keys]
