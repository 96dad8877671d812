"""vLLM is given the adapter. What runs vLLM takes a GPU: pytest -m gpu tests/engine/test_vllm.py."""

import copy
import hashlib

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer

from qgen.engine.vllm import hand_over, room_for, takes_adapter
from qgen.models.model import load
from qgen.settings.compose import composed

STEPS, LENGTH = 100, 48


def test_the_adapter_is_handed_over_where_vllm_takes_it_and_keeps_its_weights_in_this_process(tmp_path):
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(
        "llama", vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2
    ))  # fmt: skip

    def handed(*, lora=None, **more):
        arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, use_vllm=True, **more)
        policy = get_peft_model(copy.deepcopy(base), LoraConfig(target_modules=["q_proj"], **(lora or {})))
        return takes_adapter(policy, arguments)

    assert handed()
    assert handed(lora={"r": 512})
    assert not handed(lora={"r": 8, "rank_pattern": {"q_proj": 600}})
    assert not handed(lora={"use_dora": True})
    assert not handed(lora={"bias": "lora_only"})
    assert not handed(lora={"modules_to_save": ["lm_head"]})
    assert not handed(vllm_mode="server")
    assert not handed(vllm_enable_sleep_mode=True)


@pytest.mark.gpu
def test_the_weights_stay_as_they_are_and_the_adapter_is_in_use(tmp_path):
    pytest.importorskip("vllm")
    policy, tokenizer = load(composed(["stage=grpo", "model=smollm2", "model.dtype=bfloat16"]).model, None, 0)
    before = digest(policy)
    rows = [{"prompt": [{"role": "user", "content": f"Write a problem about the number {i}."}]} for i in range(8)]
    arguments = GRPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=8, num_generations=8, max_completion_length=LENGTH,
        max_steps=STEPS, learning_rate=2e-4, report_to="none", save_strategy="no", bf16=True, use_vllm=True,
        vllm_gpu_memory_utilization=0.2, vllm_max_model_length=256, logging_steps=1, beta=0.0,
    )  # fmt: skip
    with room_for(policy):
        trainer = GRPOTrainer(
            model=policy, args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
            reward_funcs=lambda completion_ids, **_: [float(len(set(ids))) for ids in completion_ids],
        )  # fmt: skip
    hand_over(trainer)
    trainer.train()
    assert digest(trainer.model) == before
    told = trainer.state.log_history[-2]["sampling/sampling_logp_difference/mean"]
    trainer.vllm_generation.sync_weights()
    prompt = tokenizer.apply_chat_template(rows[0]["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
    _, written, logprobs, _ = trainer.vllm_generation.generate([prompt] * 8, None, 8)
    drawn = [torch.tensor([token[0] for token in row]) for row in logprobs]
    with_adapter = apart(trainer.model, prompt, written, drawn)
    with trainer.model.disable_adapter():
        without = apart(trainer.model, prompt, written, drawn)
    print(f"apart, nats a token: logged {told:.4f}, with the adapter {with_adapter:.4f}, without {without:.4f}")
    assert with_adapter < 0.05
    assert without > 5 * with_adapter


def digest(policy: PeftModel) -> str:
    """Of every weight that is not the adapter's."""
    found = hashlib.sha256()
    for name, weight in sorted(policy.named_parameters()):
        if "lora_" not in name:
            found.update(weight.detach().cpu().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@torch.no_grad()
def apart(policy: PeftModel, prompt: list[int], written: list[list[int]], drawn: list[torch.Tensor]) -> float:
    """How far the policy's log-probabilities of what was written are from vLLM's, in nats a token."""
    policy.eval()
    gaps = []
    for ids, theirs in zip(written, drawn, strict=True):
        row = torch.tensor([[*prompt, *ids]], device=policy.device)
        logits = policy(row).logits[0, len(prompt) - 1 : -1].float()
        ours = logits.log_softmax(-1).gather(1, row[0, len(prompt) :, None])[:, 0].cpu()
        gaps.append((ours - theirs).abs())
    return torch.cat(gaps).mean().item()
