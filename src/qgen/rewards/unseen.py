"""Real problems, and rewards that have not seen them: what check and attack score by."""

import random
from collections.abc import Callable

from qgen.mathematics.problem import Problem
from qgen.rewards import Rewards, asks_base
from qgen.settings.choices import Backend
from qgen.settings.config import Config

FOLDS = 5


def folds(train: list[Problem], heldout: list[Problem], most: int) -> list[tuple[list[Problem], list[Problem]]]:
    """What rewards are made of, and the real problems that they have not seen, `most` of these at most.

    Where fewer problems are held out than FOLDS x 40, all are taken in FOLDS folds, each beside the other folds.
    """
    if len(heldout) >= FOLDS * 40:
        return [(train, random.Random(0).sample(heldout, min(most, len(heldout))))]
    problems = [*train, *heldout]
    random.Random(0).shuffle(problems)
    return [
        ([p for i, p in enumerate(problems) if i % FOLDS != k], problems[k::FOLDS][: most // FOLDS])
        for k in range(FOLDS)
    ]


def builder(config: Config) -> Callable[[list[Problem]], Rewards]:
    """What makes rewards of training problems, all of them with one base, which is loaded where a term asks it.

    Raises as models.model.load and engine.rollout.choose do.
    """
    base = None
    if config.reward.solver or asks_base(config.reward):
        from qgen.engine.rollout import choose
        from qgen.models.model import load
        from qgen.rewards.base import Base
        from qgen.runtime.quiet import quiet

        quiet()
        config.model.backend = Backend.hf
        model, tokenizer = load(config.model, None, config.seed)
        writer = None
        if config.reward.solver and not config.reward.solver.model:  # as in training: a solver writes from a copy
            writer, chosen = choose(config.model, config.sampling.batch_size, model, tokenizer)
            print(f"rollout: {chosen}")
        base = Base(model, tokenizer, config.prompt, config.sampling.batch_size, writer)
    return lambda problems: Rewards(config.reward, problems, base, config.judge, config.prompt.language)
