"""What the simulation says a step takes, against what PyTorch's allocator does in the same step on real tensors."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from conftest import composed
from peft import LoraConfig, PeftModel, get_peft_model
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig, AutoModelForCausalLM
from trl import GRPOTrainer
from trl.trainer.sft_trainer import _CHUNKED_LM_HEAD_CHUNK_SIZE, _patch_chunked_ce_lm_head

from qgen.data.prompts import lesson
from qgen.doctor.four_bits import NF4
from qgen.doctor.simulate import Twin
from qgen.metrics.loss import completion_loss
from qgen.models.model import load_base, load_tokenizer

QWEN3 = {"model_type": "qwen3", "vocab_size": 2048, "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "tie_word_embeddings": False}  # fmt: skip
ROWS, WIDTH, COMPLETION = 4, 160, 96
HALF = torch.bfloat16


def config(checkpointing: bool = False):
    return composed(f"model.gradient_checkpointing={checkpointing}", "model.lora.r=4").model


def policy(dtype: torch.dtype, checkpointing: bool) -> PeftModel:
    lora = config().lora
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(**QWEN3), dtype=dtype, attn_implementation="sdpa")
    model = get_peft_model(base, LoraConfig(r=lora.r, target_modules=list(lora.target_modules), task_type="CAUSAL_LM"))
    if checkpointing:
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    return model.train()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids, and a mask that is not all ones: rows of several lengths have one."""
    mask = torch.ones(ROWS, WIDTH, dtype=torch.long)
    mask[0, :9] = 0
    return torch.randint(0, 2048, (ROWS, WIDTH)), mask


def autocast(dtype: torch.dtype):
    return torch.autocast("cpu", dtype=HALF) if dtype is HALF else nullcontext()


def allocated(step) -> int:
    """The most bytes that PyTorch's CPU allocator held during a step, above what it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
    held = peak = 0
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def twins(dtype: torch.dtype, checkpointing: bool) -> list[Twin]:
    shape = AutoConfig.for_model(**QWEN3)
    return [Twin(shape, config(checkpointing), dtype, layers, gradients=False) for layers in (1, 2)]


@pytest.mark.parametrize(("dtype", "checkpointing"), [(torch.float32, False), (HALF, True)])
def test_a_step_of_sft_takes_what_is_simulated(dtype, checkpointing):
    one, two = (twin.sft(ROWS, WIDTH) for twin in twins(dtype, checkpointing))
    model = policy(dtype, checkpointing)
    _patch_chunked_ce_lm_head(model.get_base_model(), chunk_size=_CHUNKED_LM_HEAD_CHUNK_SIZE)
    ids, mask = inputs()

    def step():
        with autocast(dtype):
            loss = model(input_ids=ids, attention_mask=mask, labels=ids, use_cache=False).loss
        loss.backward()

    assert one.with_layers(two, 4).total == pytest.approx(allocated(step), rel=0.05)


@pytest.mark.parametrize(("dtype", "checkpointing"), [(torch.float32, False), (HALF, True)])
def test_a_step_of_grpo_takes_what_is_simulated(dtype, checkpointing):
    one, two = (twin.grpo(ROWS, WIDTH, COMPLETION) for twin in twins(dtype, checkpointing))
    model = policy(dtype, checkpointing)
    trainer = SimpleNamespace(model_kwarg_keys=["logits_to_keep"], temperature=1.0, _entropy_bonus_enabled=False)
    ids, mask = inputs()

    def forward(**given):
        with autocast(dtype):
            output = model(**given)
        output.logits = output.logits.float()
        return output

    def step():
        chosen, _, _ = GRPOTrainer._get_per_token_logps_and_entropies(
            trainer, forward, ids, mask, COMPLETION, compute_entropy=True
        )
        chosen.mean().backward()

    assert one.with_layers(two, 4).total == pytest.approx(allocated(step), rel=0.05)


def test_heldout_loss_takes_what_is_simulated(problems):
    settings = composed("model=tiny")
    tokenizer = load_tokenizer(settings.model)
    model = load_base(settings.model, tokenizer, seed=0)
    rows = [lesson(settings.prompt, p) for p in problems]
    texts = [tokenizer.apply_chat_template(r["prompt"] + r["completion"], tokenize=False) for r in rows]
    width = max(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"])
    twin = Twin(model.config, settings.model, torch.float32, 2, gradients=False)
    found = allocated(lambda: completion_loss(model, tokenizer, rows))
    assert twin.heldout(len(rows), width).total == pytest.approx(found, rel=0.1)


def test_resident_are_the_parameters():
    model = policy(HALF, checkpointing=False)
    one, two = (twin.resident() for twin in twins(HALF, checkpointing=False))
    found = one.with_layers(two, 4)
    assert found.weights == sum(p.nbytes for p in model.parameters() if not p.requires_grad)
    assert found.adapter == sum(p.nbytes for p in model.parameters() if p.requires_grad)
    merged = [p for name, p in model.named_parameters() if "base_layer" in name]
    assert found.merged == sum(p.nbytes for p in merged)


def test_four_bits_are_those_of_the_layers_alone():
    shape = AutoConfig.for_model(**QWEN3)
    settings = config()
    settings.load_in_4bit = True
    found = Twin(shape, settings, HALF, 2, gradients=False).resident()
    base = AutoModelForCausalLM.from_config(_two_layers(shape), dtype=HALF)
    layers = sum(p.numel() for name, p in base.named_parameters() if name.endswith("_proj.weight"))
    rest = sum(p.nbytes for name, p in base.named_parameters() if not name.endswith("_proj.weight"))
    assert found.weights == pytest.approx(rest + layers * NF4, rel=1e-4)
    assert found.merged == 0


def _two_layers(shape):
    shape.num_hidden_layers, shape.layer_types = 2, shape.layer_types[:2]
    return shape
