"""A solver: whoever writes makes independent attempts at problems, and their answers are put to the vote.

Attempts are made in rounds, programs before words, and no more at a problem whose vote is settled (votes.py). An engine
that writes all attempts in the time of one makes them in one round; those of a later round than the one that settled a
vote then count as little as if they had not been made. Only a program's length depends on who writes (`length`).
"""

import atexit
import functools
import random
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

from qgen.data.prompts import Message
from qgen.engine.completion import Completion, Wrote, silent
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import ease as ideal
from qgen.proofs.attempts import KINDS, PROGRAM, ROOM, WORDS, Attempt, Reading, asked
from qgen.proofs.calibration import Calibration, Tried, chosen, kept
from qgen.proofs.votes import Votes, counted, settled
from qgen.runtime import ranks
from qgen.settings.model import ModelConfig
from qgen.settings.prompt import PromptConfig
from qgen.settings.reward import SolverConfig
from qgen.settings.sampling import SamplingConfig

if TYPE_CHECKING:
    from qgen.proofs.engines import InProcess, LlamaCpp


class Engine(Protocol):
    """Whoever writes: the frozen base (rewards/base.py), or another model (engines.py).

    An engine may have `together`: how many texts it writes in hardly more time than one (1 where it has none). If an
    engine has `identity`, a text that differs where the weights do, its calibration is kept on disk.
    """

    def write(
        self, prompts: list[list[Message]], sampling: SamplingConfig, seed: int, wrote: Wrote = silent
    ) -> list[Completion]:
        """One completion a prompt, in their order; the same prompt twice gives two independent ones. Of the same
        prompts and seed, the same on the same machine as far as the engine can. Of several ranks, each asks its own
        for a share of the prompts, which may be none. `wrote` is called as soon as one has ended, or once all have."""


class Solver:
    """Who solves problems, how often it tries, and what its attempts say.

    Args:
        engine: who writes.
        prompt: how problems are handed to it.
        config: attempts, their length, and what counts as a solver that can be believed.
        corpus: real problems, of which config.calibrate are solved first; None: nothing is known of the solver.

    Attributes:
        calibration: what it does on real problems; None where it was not tried.
    """

    def __init__(self, engine: Engine, prompt: PromptConfig, config: SolverConfig, corpus: list[Problem] | None = None):
        self.engine, self.prompt, self.config = engine, prompt, config
        self.agreement = AnswerComparer(config.time_out)
        self.together = min(ranks.gather([getattr(engine, "together", 1)]))  # all ranks make the same calls
        self.keep = False  # True: parts of the last batch are not solved again (the check, which resumes nothing)
        self._known: dict[tuple[str, str], Votes] = {}
        self.calibration = None if corpus is None else self._calibrated(chosen(corpus, config.calibrate))

    @property
    def rate(self) -> float:
        """Share of attempts at real problems that end with the real answer, 0 to 1; 0 where none was tried."""
        return self.calibration.rate if self.calibration else 0.0

    @property
    def usable(self) -> bool:
        """Whether that is at least config.usable."""
        return self.rate >= self.config.usable

    @property
    def note(self) -> str:
        """What a person should know of the solver, in one line."""
        who = self.config.model or "the base"
        told = self.calibration.note if self.calibration else "was not tried"
        return f"{who} {told} (reward.solver.usable={self.config.usable:.0%})"

    def ease(self, level: int) -> float:
        """The share of agreeing attempts that a level from 1 to 5 asks for: that at real problems of the level, where
        the solver tells levels apart; else .9, .7, .5, .3 and .1."""
        known = self.calibration
        return known.ease(level) if known and known.tells_levels else float(ideal(level))

    def votes(self, problems: list[Problem]) -> list[Votes]:
        """The votes on each problem.

        Those of the last batch are kept, for every term that asks. Any other batch is solved whole, by a seed of its
        own: so a resumed run, which has nothing kept, solves as an uninterrupted one does.
        """
        keys = [(p.statement, p.answer) for p in problems]
        fresh = list(dict.fromkeys(keys))
        if fresh != list(self._known) and not (self.keep and all(key in self._known for key in fresh)):
            attempts, spelled = self.attempts(fresh)
            self._known = {
                key: counted(key[1], made, said) for key, made, said in zip(fresh, attempts, spelled, strict=True)
            }
        return [self._known[key] for key in keys]

    def attempts(
        self, problems: Sequence[tuple[str, str]], adaptive: bool = True
    ) -> tuple[list[list[Attempt]], list[list[str | None]]]:
        """The attempts at each (statement, answer) in the order in which they were made, and their answers, with one
        spelling for what means the same (the problem's own answer where they mean that).

        A round's seed is a hash of its number and of the statements of the whole batch: other problems in the batch
        give other attempts, but the same batch the same. Several ranks see the same attempts.

        Args:
            adaptive: make no further attempts where the vote is settled; False makes all config.samples.
        """
        made: list[list[Attempt]] = [[] for _ in problems]
        spelled: list[list[str | None]] = [[] for _ in problems]
        plan = kinds(self.config)
        batch = "\0".join(statement for statement, _ in problems)
        while unsettled := [
            i for i, (_, key) in enumerate(problems) if self._wanted(key, made[i], spelled[i], adaptive)
        ]:
            begun = len(made[unsettled[0]])  # all of them have made as many
            left = len(plan) - begun
            room = len(unsettled) * left <= self.together
            which = plan[begun : begun + (left if room else _round(len(plan), begun, adaptive))]
            todo = [(problems[i][0], kind) for i in unsettled for kind in which]
            seed = random.Random(f"{begun}\0{batch}".encode(errors="surrogatepass")).randrange(2**31)
            found = iter(self._made(todo, seed))
            for i in unsettled:
                made[i] += [next(found) for _ in which]
            said = [(problems[i][1], [attempt.answer for attempt in made[i]]) for i in unsettled]
            for i, answers in zip(unsettled, ranks.spread(self._compared, said), strict=True):
                spelled[i] = answers
        if adaptive:
            for i, (_, key) in enumerate(problems):
                counts = stopped(key, made[i], spelled[i], len(plan))
                made[i], spelled[i] = made[i][:counts], spelled[i][:counts]
        return made, spelled

    def _made(self, todo: list[tuple[str, str]], seed: int) -> list[Attempt]:
        """An attempt of each kind at each statement. Each rank makes its share, by a seed of its own: attempts at one
        problem may be shared among them. Programs are run while other texts are still written."""
        kinds_asked = [kind for kind in KINDS if any(kind == one for _, one in todo)]
        calls = [kinds_asked] if len(todo) <= self.together else [[kind] for kind in kinds_asked]  # as on all ranks

        def part(share: list[tuple[str, str]]) -> list[Attempt]:
            with Reading() as reading:
                for kinds in calls:
                    self._write({i: one for i, one in enumerate(share) if one[1] in kinds}, seed, reading)
                return reading.attempts()

        return ranks.spread(part, todo)

    def _write(self, share: dict[int, tuple[str, str]], seed: int, reading: Reading) -> None:
        """Have the engine write one attempt at each (statement, kind), read under its number."""
        numbers, kinds = list(share), {kind for _, kind in share.values()}

        def wrote(place: int, completion: Completion) -> None:
            reading.add(numbers[place], share[numbers[place]][1], completion)

        tokens = max((length(self.config, kind) for kind in kinds), default=1)
        sampling = SamplingConfig(max_new_tokens=tokens, temperature=self.config.temperature)
        prompts = [asked(self.prompt, *one) for one in share.values()]
        self.engine.write(prompts, sampling, (seed + ranks.rank()) % 2**31, wrote)

    def _wanted(self, key: str, made: list[Attempt], spelled: list[str | None], adaptive: bool) -> bool:
        left = self.config.samples - len(made)
        return left > 0 and not (adaptive and made and settled(counted(key, made, spelled), left))

    def _compared(self, part: list[tuple[str, list[str | None]]]) -> list[list[str | None]]:
        return self.agreement.same([key for key, _ in part], [answers for _, answers in part])

    def _calibrated(self, problems: list[Problem]) -> Calibration:
        """What the solver does on real problems, from the cache where it was found out before."""

        def tried() -> Calibration:
            attempts, spelled = self.attempts([(p.statement, p.answer) for p in problems], adaptive=False)
            return Calibration([
                Tried(p.level, p.topic, votes.agree, counted(p.answer, made, said).kinds,
                      sum(a.why == "cut off" for a in made))
                for p, made, said in zip(problems, attempts, spelled, strict=True)
                for votes in [adaptive(p.answer, made, said)]
            ])  # fmt: skip

        return kept(getattr(self.engine, "identity", None), problems, self.prompt, self.config, tried)


@functools.lru_cache(maxsize=1)  # rewards are made anew by the check, and by each command of a notebook
def standing(name: str, new_tokens: int) -> "LlamaCpp | InProcess":
    """The engine of reward.solver.model, loaded once a job, which it stays for: llama.cpp's where there is no GPU and
    the weights are a GGUF file.

    Args:
        new_tokens: of an attempt, at most.

    Raises as engines.opened does.
    """
    from qgen.proofs import engines  # which loads llama.cpp's client and all of transformers

    stack = ExitStack()
    atexit.register(stack.close)
    engine = stack.enter_context(engines.opened(ModelConfig(name=name, max_length=new_tokens + ROOM)))
    engine.over = engines.answered
    return engine


def stopped(key: str, made: Sequence[Attempt], spelled: Sequence[str | None], samples: int) -> int:
    """Of the attempts at a problem, how many an adaptive solver, which makes `samples` at most, would have made."""
    count = 0
    while count < len(made):
        count += _round(samples, count, True)
        if settled(counted(key, made[:count], spelled[:count]), samples - count):
            break
    return count


def adaptive(key: str, made: Sequence[Attempt], spelled: Sequence[str | None]) -> Votes:
    """Of all attempts at a problem, the votes of those that an adaptive solver would have made."""
    count = stopped(key, made, spelled, len(made))
    return counted(key, made[:count], spelled[:count])


def kinds(config: SolverConfig) -> list[str]:
    """The kinds of config.samples attempts in their order: programs first."""
    programs = round(config.samples * config.programs)
    return [PROGRAM] * programs + [WORDS] * (config.samples - programs)


def length(config: SolverConfig, kind: str) -> int:
    """Tokens that an attempt may have. Programs are given half of what words are: of qwen_coder's at 240 problems of
    MATH 98 % of the right ones were whole by 384 tokens, and 80 % of the right answers in words said by 512
    (benchmarks/results/solver/h200.json). In one call with words they may have as many as those."""
    return config.max_new_tokens if kind == WORDS else max(1, config.max_new_tokens // 2)


def _round(samples: int, begun: int, adaptive: bool) -> int:
    """Attempts of the next round: half of them all, then a quarter, and the rest. A round takes as long as its longest
    text, so that rounds of one attempt would save tokens and lose time; where all that are left can be written
    together, they are."""
    if not adaptive:
        return samples
    half = max(1, samples // 2)
    return half if not begun else min(max(1, half // 2), samples - begun)
