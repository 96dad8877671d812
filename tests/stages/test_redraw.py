"""Groups that teach nothing are asked for something else, on TRL's own trainer."""

import pytest
import torch
from conftest import TINY, composed, qgen

from qgen.runs.files import rows, steps
from qgen.stages.redraw import Redraw

GROUP = 4


def batch(levels, rewards):
    """What TRL makes of requests of these levels and rewards, as far as redrawing reads it: tokens are the level."""
    advantages = torch.tensor(rewards) - torch.tensor(rewards).view(-1, GROUP).mean(1).repeat_interleave(GROUP)
    width = max(levels)
    ids = torch.stack([torch.nn.functional.pad(torch.full((n,), n), (0, width - n), value=99) for n in levels])
    mask = (ids != 99).long()
    return {
        "prompt_ids": ids.flip(1), "prompt_mask": mask.flip(1), "completion_ids": ids, "completion_mask": mask,
        "advantages": advantages, "num_items_in_batch": mask.sum(),
    }  # fmt: skip


class Asked:
    """Stands for TRL's scoring: requests of level 3 alone get rewards that differ."""

    def __init__(self):
        self.calls, self.scored = [], []

    def __call__(self, inputs):
        levels = [row["level"] for row in inputs]
        self.calls.append(levels[::GROUP])
        worth = {1: 1.0, 2: 0.9, 3: None, 4: 0.0, 5: 0.0}
        self.scored = [(i % GROUP) / GROUP if worth[n] is None else worth[n] for i, n in enumerate(levels)]
        return batch(levels, self.scored)


def redraw(asked, times, logged, levels=range(1, 6)):
    requests = [{"prompt": f"{n}", "level": n} for n in levels]
    return Redraw(asked, requests, GROUP, times, lambda: list(asked.scored),
                  lambda name, value: logged.__setitem__(name, value), 99, "7")  # fmt: skip


def inputs(*levels):
    return [{"prompt": f"{n}", "level": n} for n in levels for _ in range(GROUP)]


def test_levels_that_are_mastered_get_harder_and_hopeless_ones_easier():
    asked, logged = Asked(), {}
    found = redraw(asked, 2, logged)(inputs(3, 2, 4, 1), step=0)
    assert asked.calls == [[3, 2, 4, 1], [3, 3, 2], [3]]
    assert logged == {"groups/alike": 0.75, "groups/alike_left": 0.0}
    assert found["completion_ids"][:, 0].tolist() == [3] * 16
    assert found["advantages"].view(-1, GROUP).abs().amax(1).min() > 0.1
    assert found["num_items_in_batch"] == 16 * 3 == found["completion_mask"].sum()
    assert found["prompt_ids"].flip(1).eq(found["completion_ids"]).all()  # padded on the left, and on the right


def test_it_ends_where_nothing_else_can_be_drawn():
    asked, logged = Asked(), {}
    found = redraw(asked, 3, logged, levels=(4, 5))(inputs(4, 5), step=0)
    assert len(asked.calls) == 4
    assert logged == {"groups/alike": 1.0, "groups/alike_left": 1.0}
    assert not found["advantages"].any()


def test_a_batch_that_lives_is_left_as_it_is():
    asked, logged = Asked(), {}
    redraw(asked, 2, logged)(inputs(3, 3), step=0)
    assert asked.calls == [[3, 3]]
    assert logged == {"groups/alike": 0.0, "groups/alike_left": 0.0}


def test_what_is_drawn_depends_on_the_seed_and_the_step_alone():
    def calls(step):
        asked = Asked()
        Redraw(asked, [{"prompt": f"{n}{i}", "level": n} for n in (1, 2, 4, 5) for i in range(9)], GROUP, 3,
               lambda: list(asked.scored), lambda *_: None, 99, "7")(inputs(1, 5), step)  # fmt: skip
        return asked.calls

    assert calls(4) == calls(4)


def test_groups_that_are_cut_by_a_device_are_refused():
    with pytest.raises(ValueError, match=r"stage\.redraws=1 needs whole groups on each device"):
        composed(
            "stage=grpo", "stage.redraws=1", "stage.per_device_train_batch_size=4",
            "stage.gradient_accumulation_steps=4", "+stage.trl.steps_per_generation=1",
        )  # fmt: skip


@pytest.mark.slow
def test_a_stage_with_redraws_trains_and_resumes_as_if_it_had_not_been_ended(tmp_path):
    def run(*more):
        done = qgen(*TINY[:-1], "stage=grpo", "stage.redraws=1", "stage.save_steps=2", "validation.every=4",
                    "stage.lr_scheduler_type=constant", *more,
                    cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr

    run("run_name=whole", "stage.max_steps=4")
    run("run_name=halves", "stage.max_steps=2")
    run("run_name=halves", "stage.max_steps=4", "resume=true")
    out = tmp_path / "outputs"
    whole, halves = (steps(out / name / "grpo" / "metrics.jsonl") for name in ("whole", "halves"))
    shares = [row["groups/alike"] for row in whole if "groups/alike" in row]
    assert len(shares) == 4
    assert max(shares) == 1.0  # a model of random weights writes nothing that is worth anything
    written = [row for row in rows(out / "whole" / "grpo" / "samples.jsonl") if row["mode"] == "train"]
    assert sum(row["step"] == 0 for row in written) == 2 * 64
    assert whole[-1]["step"] == halves[-1]["step"] == 4
    assert [row["loss"] for row in whole if "loss" in row] == [row["loss"] for row in halves if "loss" in row]
