"""Steps that are not finite: NaN is put into the gradient or the loss of a step, and everything else must go on."""

import json
import math
import shutil

import pytest
import torch
from accelerate.optimizer import AcceleratedOptimizer
from conftest import TINY, composed, install, qgen
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback

from qgen import data
from qgen.runs.files import rows, steps
from qgen.runs.rundir import Claim
from qgen.runs.saved import last_checkpoint
from qgen.runtime.finite import NotFiniteError
from qgen.stages import finite
from qgen.stages import run as stages

SIZE = ("stage.per_device_train_batch_size=${by_stage:1,4,1}", "stage.gradient_accumulation_steps=2",
        "stage.num_prompts=16", "stage.max_steps=8", "stage.save_steps=2", "stage.learning_rate=1e-2",
        "validation.every=0", "reward.gate=null")  # fmt: skip
SLOW_SFT, SLOW_DISTILL = (pytest.param(stage, marks=pytest.mark.slow) for stage in ("sft", "distill"))
STAGES = pytest.mark.parametrize("stage", ["grpo", SLOW_SFT, SLOW_DISTILL])


class Poison(TrainerCallback):
    """Makes a LoRA gradient of some steps NaN, and remembers the weights after each step."""

    def __init__(self, at):
        self.at, self.weights, self.rates = at, {}, {}

    def on_train_begin(self, args, state, control, model=None, **_):
        self.state = state
        parameter = next(p for name, p in model.named_parameters() if "layers.1" in name and "v_proj.lora_B" in name)
        parameter.register_hook(lambda g: g * math.nan if state.global_step + 1 in self.at else g)

    def on_step_end(self, args, state, control, model=None, lr_scheduler=None, optimizer=None, **_):
        held = [p.detach().clone() for p in model.parameters() if p.requires_grad]
        held += [value.clone() for values in optimizer.state.values() for value in values.values()]
        self.weights[state.global_step], self.rates[state.global_step] = held, lr_scheduler.get_last_lr()[0]


def train(tmp_path, monkeypatch, stage, at, *more, name="out", checkpoint=None):
    config = composed(f"stage={stage}", *SIZE, *TINY, *more)
    poison = Poison(at)
    equip = stages._equip
    monkeypatch.setattr(stages, "_equip", lambda *a: equip(*a, poison))
    out = tmp_path / name
    out.mkdir(exist_ok=True)
    try:
        stages.run(config, data.load(config.data), out, None, Claim(checkpoint=checkpoint), {})
    finally:
        monkeypatch.setattr(stages, "_equip", equip)
    return out, poison


def figures(out):
    return [(row["step"], row["loss"], row["grad_norm"], row["learning_rate"], row["nonfinite_steps"])
            for row in steps(out / "metrics.jsonl")]  # fmt: skip


@pytest.mark.parametrize("stage", ["sft", "grpo", SLOW_DISTILL])
def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(tmp_path, monkeypatch, stage):
    out, poison = train(tmp_path, monkeypatch, stage, {3, 6})
    for step in range(2, 9):
        same = [torch.equal(a, b) for a, b in zip(poison.weights[step - 1], poison.weights[step], strict=True)]
        assert all(same) if step in (3, 6) else not all(same)
        assert (poison.rates[step - 1] == poison.rates[step]) == (step in (3, 6))  # nor does the schedule move
    found = {row["step"]: row for row in steps(out / "metrics.jsonl")}
    assert [found[step]["nonfinite_steps"] for step in range(1, 9)] == [0, 0, 1, 1, 1, 2, 2, 2]
    for step, row in found.items():
        assert (row["loss"] is None) == (row["grad_norm"] is None) == (step in (3, 6))
    written = rows(out / "nonfinite.jsonl")
    assert [row["step"] for row in written] == [3, 6]
    assert written[0]["first_in"] == "the gradient of model.layers.1.self_attn.v_proj.lora_B"
    kept = torch.load(out / "nonfinite.pt")
    assert kept["step"] == 3
    assert len(kept["batches"]) == 2
    assert all(tensor.numel() for batch in kept["batches"] for tensor in batch.values())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["nonfinite_steps"] == 2
    assert not (out / "checkpoint-6").exists()  # what led to a broken step may stand in its weights


@STAGES
def test_a_resume_goes_on_as_if_the_steps_had_been_skipped_before(tmp_path, monkeypatch, stage):
    more = ("stage.save_total_limit=9",)
    whole, _ = train(tmp_path, monkeypatch, stage, {3}, *more)
    resumed = tmp_path / "resumed"
    shutil.copytree(whole, resumed, ignore=shutil.ignore_patterns("checkpoint-6", "checkpoint-8", "adapter", "summ*"))
    lines = (resumed / "metrics.jsonl").read_text().splitlines(keepends=True)
    (resumed / "metrics.jsonl").write_text("".join(lines[:4]))
    train(tmp_path, monkeypatch, stage, set(), *more, name="resumed", checkpoint=resumed / "checkpoint-4")
    assert figures(resumed) == figures(whole)
    assert [row[4] for row in figures(whole)] == [0, 0, 1, 1, 1, 1, 1, 1]


@STAGES
def test_three_in_a_row_end_the_stage_and_it_goes_on_from_before_them(tmp_path, monkeypatch, stage):
    more = ("stage.save_total_limit=9",)
    with pytest.raises(NotFiniteError) as raised:
        train(tmp_path, monkeypatch, stage, {3, 4, 5, 6}, *more)
    said = str(raised.value)
    for part in ("steps (3 to 5)", "first in the gradient of model.layers.1.self_attn.v_proj.lora_B", "learning_rate",
                 "attn_implementation=eager", "nonfinite.pt", "resume=true goes on from checkpoint-2"):  # fmt: skip
        assert part in said
    out = tmp_path / "out"
    assert not (out / "summary.json").exists()
    assert [row[0] for row in figures(out)] == [1, 2, 3, 4, 5]
    checkpoint, _ = last_checkpoint(out)
    assert checkpoint.name == "checkpoint-2"
    train(tmp_path, monkeypatch, stage, set(), *more, checkpoint=checkpoint)
    whole, _ = train(tmp_path, monkeypatch, stage, set(), *more, name="whole")
    assert figures(out) == figures(whole)


def test_a_loss_that_is_not_finite_beside_a_gradient_that_is(tmp_path, monkeypatch):
    compute = stages.sft.SFTTrainer.compute_loss

    def broken(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        loss = compute(self, model, inputs, return_outputs, num_items_in_batch)
        return loss + math.inf if self.state.global_step == 2 else loss

    monkeypatch.setattr(stages.sft.SFTTrainer, "compute_loss", broken)
    out, poison = train(tmp_path, monkeypatch, "sft", set())
    assert all(torch.equal(a, b) for a, b in zip(poison.weights[2], poison.weights[3], strict=True))
    assert [row[1] is None for row in figures(out)] == [False, False, True, *[False] * 5]
    assert rows(out / "nonfinite.jsonl")[0]["losses"] == [None] * 2


@pytest.mark.parametrize("stage", [SLOW_SFT, "grpo"])
def test_a_learning_rate_without_measure_ends_with_a_message(tmp_path, stage):
    home = tmp_path
    size = [part for part in SIZE if "learning_rate" not in part]
    done = qgen(f"stage={stage}", *size, *TINY, "stage.learning_rate=1e20", cwd=home)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "not finite" in done.stderr
    assert "stage.learning_rate=1e+20" in done.stderr
    assert not (home / "outputs/t" / stage / "adapter").exists()


def test_weights_that_overflow_end_the_stage_at_once(tmp_path, monkeypatch):
    def on_optimizer_step(self, args, state, control, model=None, **_):
        if state.global_step == 3:  # steps done
            next(p for p in model.parameters() if p.requires_grad).data[0] = math.inf

    monkeypatch.setattr(Poison, "on_optimizer_step", on_optimizer_step)
    with pytest.raises(NotFiniteError, match=r"the weights are not finite after step 4.*\n.*\n.*from checkpoint-2"):
        train(tmp_path, monkeypatch, "sft", set())
    assert not (tmp_path / "out" / "checkpoint-4").exists()


def test_float16s_scaler_is_left_to_its_work_and_counted_apart(tmp_path):
    class Trainer:
        state = type("State", (), {"global_step": 0})

        def training_step(self):
            return self.loss

        def compute_loss(self, model, inputs):
            raise AssertionError("nothing is looked for")

        def _get_grad_norm(self):
            return self.norm

    layer = torch.nn.Linear(2, 1)
    optimizer = AcceleratedOptimizer(torch.optim.SGD(layer.parameters(), lr=1.0), scaler=torch.amp.GradScaler("cpu"))
    optimizer.scaler.load_state_dict(optimizer.scaler.state_dict() | {"scale": 4.0})
    optimizer.scaler.scale(torch.ones(1))
    guard, trainer = finite.Finite(composed(*TINY), tmp_path, "sdpa"), Trainer()
    trainer.model = layer
    guard.equip(trainer)
    guard.batches = []
    guard.on_train_begin(None, None, None, optimizer=optimizer)

    def step(loss, gradient):
        trainer.loss = torch.tensor(loss)
        trainer.training_step()
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        optimizer.scaler.unscale_(optimizer.optimizer)
        trainer.norm = torch.tensor(gradient)
        trainer._get_grad_norm()
        before = layer.weight.detach().clone()
        optimizer.step()
        guard.losses, guard.norm = [], None
        return not torch.equal(before, layer.weight)

    assert step(1.0, 1.0)
    assert not step(1.0, math.inf)  # 4 to 2
    assert not step(1.0, math.nan)  # 2 to 1
    assert guard.counts == {"nonfinite_steps": 0, "scaler_skips": 2}
    assert not step(1.0, math.inf)  # no scale is left to find
    assert not step(math.nan, 1.0)
    assert guard.counts == {"nonfinite_steps": 2, "scaler_skips": 2}
    assert guard.streak == 2
    assert step(1.0, 1.0)
    assert guard.streak == 0


def broken(home, name, change):
    """A copy of a finished pipeline in which the tensors of every adapter are changed."""
    shutil.copytree(home / "outputs/t", home / name)
    for path in (home / name).rglob("adapter_model.safetensors"):
        tensors = change(load_file(path))
        path.unlink()  # checkpoints hold links to it
        save_file(tensors, path)
    return home / name


def with_nan(tensors):
    tensors[min(tensors)].view(-1)[0] = math.nan
    return tensors


COMMANDS = (
    ("evaluate", "run={run}", "n=4"),
    ("generate", "run={run}", "n=1"),
    ("export", "run={run}", "format=[adapter]"),
    ("export", "run={run}", "format=[merged]", "overwrite=true"),
    ("train", "stage=sft", *SIZE, *TINY, "run_name=u", "stage.init_from={run}/sft"),
)


def test_every_command_refuses_an_adapter_that_is_not_finite(pipeline, tmp_path):
    shutil.copytree(pipeline[0], tmp_path / "home")
    home = tmp_path / "home"
    run = broken(home, "nan", with_nan)
    for module, *arguments in COMMANDS:
        done = qgen(*(a.replace("{run}", str(run)) for a in arguments), cwd=home, module=module)
        assert done.returncode == 1, done.stdout
        assert "adapter_model.safetensors holds numbers that are not finite, first in base_model." in done.stderr
        assert str(run) in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_adapter_that_does_not_fit_is_refused_by_name(pipeline, tmp_path):
    shutil.copytree(pipeline[0], tmp_path / "home")
    home = tmp_path / "home"
    foo = broken(home, "foo", lambda tensors: {"foo": torch.ones(2)})
    half = broken(home, "half", lambda tensors: {k: v for k, v in tensors.items() if "layers.1" in k})
    wide = broken(home, "wide", lambda tensors: {k: torch.ones(64, 64) for k in tensors})
    for run, said in ((foo, "has no place for foo"), (half, "the file lacks base_model."), (wide, "size mismatch")):
        for module, *arguments in (COMMANDS[0], COMMANDS[1], COMMANDS[3], COMMANDS[4]):
            done = qgen(*(a.replace("{run}", str(run)) for a in arguments), cwd=home, module=module)
            assert done.returncode == 1, (run, module, done.stdout)
            assert "does not fit the model" in done.stderr
            assert said in done.stderr
            assert "Traceback" not in done.stderr


def test_a_base_that_is_not_finite_is_refused_by_every_load(tmp_path):
    from qgen.models import model

    config = composed(*TINY).model
    tokenizer = model.load_tokenizer(config)
    base = model.load_base(config, tokenizer, 0)
    base.model.layers[1].mlp.up_proj.weight.data[3, 3] = math.inf
    base.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    wanted = composed(f"model.name={tmp_path}").model
    with pytest.raises(RuntimeError, match=r"not finite, first in model\.layers\.1\.mlp\.up_proj\.weight"):
        model.load(wanted, None, 0)
    with pytest.raises(RuntimeError, match="not finite"):
        model.load_plain(wanted, 0)


WANING = """
seen = []
def waning(completions, **columns):
    seen.append(1)
    return [1 / len(seen)] * len(completions)
"""


def test_a_stage_that_learns_nothing_says_so_and_may_be_an_error(tmp_path, monkeypatch):
    home = install(tmp_path, "waning", "waning", WANING)
    monkeypatch.setenv("PYTHONPATH", str(home / "site"))
    arguments = ("stage=sft", *SIZE, *TINY, "+reward.terms.waning.weight=1")
    done = qgen(*arguments, "validation.require_gain=true", cwd=home)
    assert done.returncode == 1
    assert "LEARNED NOTHING" in done.stderr
    assert not (home / "outputs/t/sft/summary.json").exists()
    done = qgen(*arguments, "overwrite=true", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "sft LEARNED NOTHING" in done.stdout
    assert "LEARNED NOTHING" in (home / "outputs/t/sft/report.html").read_text()
    assert json.loads((home / "outputs/t/sft/summary.json").read_text())["learned"] is False
