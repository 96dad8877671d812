"""The test: who was taught solves held-out problems, once by the likeliest words and several times by chance."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from qgen.data.prompts import of_task
from qgen.evaluation import outputs
from qgen.evaluation.outputs import Candidate
from qgen.mathematics.equivalence import AnswerComparer, final_answer
from qgen.mathematics.problem import Problem
from qgen.models.model import load_plain
from qgen.runs import rundir
from qgen.settings.choices import Task
from qgen.settings.sampling import SamplingConfig
from qgen.settings.teach import TeachConfig

Right = dict[str, np.ndarray]  # greedy, sampled: the share of right solutions, of shape (problems,)
Named = tuple[str, int]  # an arm and a seed


def tested(config: TeachConfig, homes: dict[Named, Path], test: list[Problem]) -> dict[Named, Right]:
    """Which problems each taught solver solves, and, as ("untrained", 0), the solver as it was.

    Solutions are kept in outputs.jsonl, by weights, problems and sampling, so that nothing is solved twice.

    Args:
        homes: of each arm and seed the training's directory.
    """
    first = next(iter(homes.values()))
    run = rundir.config_at(first)
    who = {("untrained", 0): Candidate("untrained", first, run, None)}
    for (arm, seed), home in homes.items():
        who[arm, seed] = Candidate(home.name, home, rundir.config_at(home), rundir.adapter_at(home))
    asked = [of_task(run.prompt, problem, Task.solve, turn=0) for problem in test]
    greedy = SamplingConfig(config.max_new_tokens, temperature=0.0, batch_size=config.batch_size)
    drawn = SamplingConfig(config.max_new_tokens, config.temperature, batch_size=config.batch_size)
    loaded = load_plain(run.model, run.seed)
    path, names = config.home / "outputs.jsonl", list(who.values())
    written = {"greedy": outputs.outputs(names, loaded, asked, greedy, [0], path),
               "sampled": outputs.outputs(names, loaded, asked, drawn, list(range(config.samples)), path)}  # fmt: skip
    comparer = AnswerComparer()
    keys = [problem.answer for problem in test]
    found: dict[Named, Right] = {}
    for name, candidate in tqdm(who.items(), desc="comparing answers", unit="solver", leave=False, disable=None):
        found[name] = {how: _right(comparer, keys, blocks[candidate.name]) for how, blocks in written.items()}
    comparer.close()
    return found


def _right(comparer: AnswerComparer, keys: list[str], blocks: list[dict]) -> np.ndarray:
    said = [[final_answer(block["texts"][i]) for block in blocks] for i in range(len(keys))]
    return np.array([count / len(blocks) for count, _, _ in comparer.count(keys, said)])
