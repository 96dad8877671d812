"""What normalisation does to advantages, on TRL's own code, and that all ranks see the same."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import composed
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from qgen.models.model import load
from qgen.rewards import Rewards, registry, term, text
from qgen.rewards.normalize import ZScore
from qgen.settings.choices import Normalize
from qgen.settings.reward import RewardConfig, TermConfig


@pytest.fixture(scope="module", autouse=True)
def terms():
    """Two terms of very different spread."""

    @term("wide")
    def wide(completions, **_):
        return [(len(text(c)) * 7919 % 101) / 100 for c in completions]

    @term("narrow")
    def narrow(completions, **_):
        return [0.5 + (sum(map(ord, text(c))) * 31 % 17) / 1000 for c in completions]

    yield
    del registry.TERMS["wide"], registry.TERMS["narrow"]


def advantages(functions, weights, aggregation, out):
    """TRL's advantages of 8 completions for 2 prompts, written by the same seed each time."""
    config = composed("model=tiny")
    model, tokenizer = load(config.model, None, seed=0)
    arguments = GRPOConfig(
        output_dir=str(out), per_device_train_batch_size=8, num_generations=4, max_completion_length=8,
        reward_weights=weights, multi_objective_aggregation=aggregation, report_to="none", use_cpu=True, bf16=False,
    )  # fmt: skip
    rows = [{"prompt": [{"role": "user", "content": f"Write problem {i}."}]} for i in range(2)]
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=functions,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    torch.manual_seed(0)
    return trainer._generate_and_score_completions([row for row in rows for _ in range(4)])["advantages"]


def test_z_scoring_the_total_changes_nothing_and_z_scoring_each_term_does(tmp_path):
    def rewards(normalize):
        terms = {"wide": TermConfig(0.3), "narrow": TermConfig(0.7)}
        return Rewards(RewardConfig(terms=terms, gate=None, normalize=normalize), [])

    plain = rewards(Normalize.none)
    zscore = ZScore()

    def standardised_total(prompts, completions, **columns):
        return zscore("total", plain.score(prompts, completions).total)

    none = advantages(plain.functions(), plain.trl_weights(), plain.aggregation(), tmp_path)
    total = advantages([standardised_total], [1.0], "sum_then_normalize", tmp_path)
    each = rewards(Normalize.zscore)
    each = advantages(each.functions(), each.trl_weights(), each.aggregation(), tmp_path)
    group = rewards(Normalize.group)
    group = advantages(group.functions(), group.trl_weights(), group.aggregation(), tmp_path)
    assert none.abs().max() > 0.5
    assert torch.allclose(none, total, rtol=0.02)  # TRL adds 1e-4 to a spread of some hundredths
    assert (none - each).abs().max() > 0.1
    assert (none - group).abs().max() > 0.1


RANK = """
import json
from qgen.settings import compose
from qgen import data
from qgen.mathematics.problem import render
from qgen.rewards import Rewards
from qgen.runtime import ranks

ranks.start()
rank, size = ranks.rank(), ranks.size()
config = compose.composed(["reward.normalize=zscore", "reward.window=12"])
corpus = data.load(config.data)
rewards = Rewards(config.reward, corpus.train)
shown = []
for step in range(3):
    problems = corpus.heldout[4 * step : 4 * step + 3] * 2 + corpus.train[:2]
    mine = problems[rank * 8 // size : (rank + 1) * 8 // size]
    columns = {"level": [p.level for p in mine], "topic": [p.topic for p in mine]}
    batch = [[{"role": "assistant", "content": render(p)}] for p in mine]
    values = [f(prompts=["ask"] * len(mine), completions=batch, **columns) for f in rewards.functions()]
    shown.append([list(row) for row in zip(*values)])
print(json.dumps({"values": shown, "state": rewards.state_dict()}))
"""


@pytest.mark.slow
def test_two_ranks_score_and_remember_as_one_process_does():
    def run(size):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        job = os.environ | {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        started = [
            subprocess.Popen(
                [sys.executable, "-c", RANK], env=job | {"RANK": str(i), "LOCAL_RANK": str(i)},
                stdout=subprocess.PIPE, text=True,
            )
            for i in range(size)
        ]  # fmt: skip
        done = [json.loads(process.communicate(timeout=300)[0]) for process in started]
        assert all(process.returncode == 0 for process in started)
        return done

    (alone,) = run(1)
    first, second = run(2)
    assert first["state"] == second["state"] == alone["state"]
    for step in range(3):
        together = first["values"][step] + second["values"][step]
        assert np.array(together) == pytest.approx(np.array(alone["values"][step]), abs=1e-12)


def test_the_window_is_numpys_to_nine_digits():
    zscore = ZScore(window=1000)
    values = np.random.default_rng(0).beta(2, 5, size=3000)
    for start in range(0, 3000, 16):
        got = zscore("t", list(values[start : start + 16]))
    recent = values[2000:3000]
    assert got == pytest.approx((values[start:3000] - np.mean(recent)) / (np.std(recent) + 1e-8), abs=1e-9)
