import socket

import pytest
import torch
from conftest import composed, qgen
from transformers import AutoConfig

from qgen.doctor import lengths, machine, memory, packages, sources
from qgen.settings.gpus import GPUS

SMALL = {"model_type": "llama", "vocab_size": 512, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 6,
         "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip


def estimated(*overrides: str, row: int = 256, cap: float | None = None) -> memory.Estimate:
    tokens = lengths.Lengths(row, 40, 64, "counted")
    return memory.estimate(composed(*overrides), AutoConfig.for_model(**SMALL), tokens, machine.device("a100-40", cap))


def test_another_solver_stays_in_memory_beside_the_policy():
    tokens, shape = lengths.Lengths(256, 40, 64, "counted"), AutoConfig.for_model(**SMALL)
    config, device = composed("reward=verified"), machine.device("a100-40", None)
    alone, beside = (memory.estimate(config, shape, tokens, device, solver) for solver in (None, shape))
    weights = alone.phases[0].parts["weights"]
    for before, after in zip(alone.phases, beside.phases, strict=True):
        if before.name != "solver":
            assert after.total - before.total == after.parts["another solver"] > weights
    phases = {phase.name: phase.parts for phase in beside.phases}
    assert phases["solver"].keys() == {*phases["training step"]} - {"activations", "logits and loss", "gradients",
                                                                    "a layer's work"} | {"cache"}  # fmt: skip
    config.reward.solver.model = "where nobody knows the shape"
    assert "solver" not in {phase.name for phase in memory.estimate(config, shape, tokens, device, None).phases}


@pytest.mark.skipif(torch.cuda.is_available(), reason="llama.cpp serves where there is no GPU")
def test_what_another_solver_needs_is_looked_for(monkeypatch, tmp_path):
    solver = "reward=verified", "reward.solver.model=embedded"
    tokens, shape = lengths.Lengths(256, 40, 64, "counted"), AutoConfig.for_model(**SMALL)
    short, long = (
        memory.estimate(composed(*solver, f"reward.solver.max_new_tokens={new}"), shape, tokens,
                        machine.device(None, None), shape).phases[0].parts["another solver"]
        for new in (64, 6400)
    )  # fmt: skip
    assert long > short > 0  # the cache that llama.cpp keeps
    installed = packages._installed
    monkeypatch.setattr(packages, "_installed", lambda name: None if name == "xllamacpp" else installed(name))
    assert [finding.check for finding in packages.check(composed(*solver)) if finding.fatal] == ["xllamacpp"]
    assert not any(finding.fatal for finding in packages.check(composed("reward=verified")))
    nowhere = composed("reward=verified", f"reward.solver.model={tmp_path}/nowhere")
    (found,) = sources.reach(nowhere, timeout=2)
    assert (found.fatal, found.mend) == (True, "reward.solver.model=DIRECTORY")


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> str:
    done = qgen("model=tiny", cwd=tmp_path_factory.mktemp("doctor"), module="doctor")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stage_that_will_run_is_told_so(said):
    assert "✗" not in said
    for words in ("packages", "not needed: model and data are on this machine", "205 problems to train on", "sdpa",
                  "GiB free", "training step", "it fits"):  # fmt: skip
        assert words in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_gpu_that_is_too_small_ends_with_1_and_the_keys_to_change(tmp_path):
    done = qgen("model=smollm2", "model.max_length=4096", "stage=grpo", "stage.per_device_train_batch_size=64",
                "sampling.max_new_tokens=2048", "doctor.gpu=t4-16", cwd=tmp_path, module="doctor")  # fmt: skip
    assert done.returncode == 1
    assert "would fail for memory" in done.stderr
    assert "it does not fit" in done.stdout
    assert "stage.per_device_train_batch_size=" in done.stdout
    assert "model.gradient_checkpointing=true" in done.stdout


def test_unsloth_without_checkpointing_keeps_less_but_not_nothing(tmp_path):
    large = ("model=smollm2", "model.max_length=4096", "stage=grpo", "stage.per_device_train_batch_size=64",
             "sampling.max_new_tokens=2048", "model.backend=unsloth")  # fmt: skip
    done = qgen(*large, "doctor.gpu=h100-80", cwd=tmp_path, module="doctor")
    assert "it may not fit" in done.stdout
    assert "memory" not in done.stderr
    done = qgen(*large, "doctor.gpu=t4-16", cwd=tmp_path, module="doctor")
    assert "memory" in done.stderr


def test_a_directory_that_is_not_there_is_a_finding(tmp_path):
    done = qgen(f"model.name={tmp_path}/nothing", cwd=tmp_path, module="doctor")
    assert done.returncode == 1
    assert "would fail for model" in done.stderr
    assert "no such directory" in " ".join(done.stdout.split())


def test_mistakes_are_named_without_importing_torch(tmp_path):
    done = qgen("doctor.gpu=a100-41", cwd=tmp_path, module="doctor", cold=True)
    assert done.returncode == 1
    assert "doctor.gpu=a100-41 is none of t4-16" in done.stderr
    done = qgen("doctor.gpus=a100-40", cwd=tmp_path, module="doctor")
    assert "did you mean doctor.gpu" in done.stderr


def test_a_batch_that_fits_is_the_largest_that_does():
    batches = {rows: (f"stage.per_device_train_batch_size={rows}", f"stage.gradient_accumulation_steps={256 // rows}")
               for rows in (1, 2, 4, 8, 16, 32, 64, 128)}  # fmt: skip
    found = estimated(*batches[4], cap=0.25)
    step = [estimated(*batches[rows], cap=0.25).phases[0].total for rows in (found.batch, 2 * found.batch)]
    assert step[0] <= found.room < step[1]


def test_memory_grows_with_what_it_hangs_on():
    base = estimated("stage.per_device_train_batch_size=8").phases[0]
    assert estimated("stage.per_device_train_batch_size=16").phases[0].total > base.total
    assert estimated("stage.per_device_train_batch_size=8", row=512).phases[0].total > base.total
    less = estimated("stage.per_device_train_batch_size=8", "model.gradient_checkpointing=true").phases[0]
    assert less.parts["activations"] < base.parts["activations"] / 3
    assert estimated("model.lora.r=32").phases[0].parts["optimizer"] == 2 * base.parts["optimizer"]


def test_who_writes_is_chosen_as_a_run_chooses():
    assert estimated("stage=grpo", "model.rollout=generate").phases[0].parts["rollout copy"] == 0
    assert estimated("stage=grpo", "model.rollout=auto").phases[0].parts["rollout copy"] > 0


def test_a_copy_is_held_between_rollouts_by_grpo_alone():
    training, validation = estimated("stage=sft", "model.rollout=compiled").phases[:2]
    assert training.parts.get("rollout copy", 0) == 0 < validation.parts["rollout copy"]


def test_a_solver_writes_by_itself():
    solver = "reward=verified", "reward.solver.max_new_tokens=64"
    phases = {p.name: p for p in estimated("stage=sft", "model.rollout=compiled", *solver).phases}
    assert phases["solver"].parts.get("rollout copy", 0) == 0 < phases["validation"].parts["rollout copy"]
    held = estimated("stage=grpo", "model.rollout=compiled", *solver).phases
    assert held[-1].parts["rollout copy"] == held[0].parts["rollout copy"] > 0


def test_a_term_that_asks_the_base_is_a_phase_of_its_own():
    for more, judged in ((), False), (("band",), True), (("natural",), True):
        phases = estimated("reward=seed", *(f"+reward.terms.{name}.weight=1" for name in more)).phases
        assert ("judging" in {phase.name for phase in phases}) is judged


def test_vllm_takes_its_share_of_the_device_where_it_is_colocated():
    device = machine.device("a100-40")
    vllm = "stage=grpo", "model.rollout=vllm"
    assert estimated(*vllm).phases[0].parts["vLLM"] == pytest.approx(0.3 * device.total)
    assert estimated(*vllm, "+stage.trl.vllm_gpu_memory_utilization=0.5").phases[0].parts["vLLM"] == device.total / 2
    server = estimated(*vllm, "+stage.trl.vllm_mode=server")
    assert server.phases[0].parts["vLLM"] == 0
    assert "rollout" not in {phase.name for phase in server.phases}  # its cache is its own


def test_precision_is_the_named_cards():
    dtype = composed("model.dtype=auto").model.dtype
    assert {name: str(machine.device(name).dtype(dtype)) for name in ("t4-16", "h100-80")} == {
        "t4-16": "torch.float32",
        "h100-80": "torch.bfloat16",
    }
    t4 = machine.check(composed("model.dtype=bfloat16"), machine.device("t4-16"), None)[0]
    assert (t4.fatal, t4.mend) == (True, "model.dtype=float16")


def test_missing_and_wrong_packages_are_named_with_their_commands(monkeypatch):
    have = {"trl": "1.15.0", "unsloth": None, "bitsandbytes": None}
    installed = packages._installed
    monkeypatch.setattr(packages, "_installed", lambda name: have[name] if name in have else installed(name))
    found = {finding.check: finding for finding in packages.check(composed("model=a100")) if finding.fatal}
    assert set(found) == {"trl", "unsloth", "bitsandbytes"}
    assert found["trl"].said == "1.15.0 is installed, and ==1.13.0 is needed"
    assert found["trl"].mend == "pip install 'trl==1.13.0'"
    assert found["unsloth"].mend.startswith("pip install 'unsloth==")


def test_an_unreachable_hub_names_the_mirror_setting(monkeypatch):
    with socket.socket() as taken:  # a port on which nobody answers
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        config = composed("model.name=some/model-nobody-has", "data=openmath")
        found = sources.reach(config, timeout=2)
    assert [finding.fatal for finding in found] == [True, True]
    assert all("HF_ENDPOINT" in finding.mend for finding in found)


def test_recipes_can_be_planned_without_the_hub():
    for name in ("a100", "t4", "h100"):
        shape, origin = sources.shape(composed(f"model={name}").model, None, reachable=False)
        assert origin == "the published shape"
        assert shape.model_type == "qwen3"
    assert sources.shape(composed("model.name=some/other").model, None, reachable=False) == (None, "")


def test_rows_are_counted_as_the_trainer_counts_them(tmp_path):
    config = composed("model=tiny")
    corpus, finding = sources.corpus(config, reachable=True)
    tokenizer = sources.tokenizer(config.model, reachable=True)
    counted = lengths.lengths(config, corpus, tokenizer)
    guessed = lengths.lengths(config, corpus, None)
    assert not finding.fatal
    assert 100 < counted.row <= config.model.max_length
    assert counted.row <= guessed.row
    assert lengths.lengths(config, None, None).row == config.model.max_length


def test_every_known_gpu_has_its_name_in_figures():
    for name, (_, size, _) in GPUS.items():
        assert 0.85 * int(name.rpartition("-")[2]) < size <= int(name.rpartition("-")[2])
