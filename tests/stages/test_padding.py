"""Micro-batches that are sorted and trimmed train as TRL's own do."""

import random

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from qgen.models import model as models
from qgen.settings.compose import composed
from qgen.stages.padding import by_length, trim_completions, trim_rows, trimmed


def batch(lengths, prompts, width=12):
    columns = torch.arange(width)
    completions = (columns < torch.tensor(lengths)[:, None]).long()
    asked = (columns >= width - torch.tensor(prompts)[:, None]).long()
    ids = torch.arange(1, len(lengths) + 1)[:, None]
    return {
        "prompt_ids": ids * asked, "prompt_mask": asked, "completion_ids": ids * completions,
        "completion_mask": completions, "advantages": ids[:, 0].float(), "num_items_in_batch": completions.sum(),
        "sampling_per_token_logps": -0.5 * ids * completions, "importance_sampling_ratio": ids.float(),
    }  # fmt: skip


def test_like_lengths_go_together_and_nothing_but_padding_is_lost():
    found = by_length([batch([3, 9], [4, 2]), batch([8, 1], [5, 5])])
    assert [one["completion_mask"].sum(1).tolist() for one in found] == [[9, 8], [3, 1]]
    assert [one["completion_ids"].shape[1] for one in found] == [9, 3]
    assert [one["sampling_per_token_logps"].shape[1] for one in found] == [9, 3]
    assert [one["prompt_ids"].shape[1] for one in found] == [5, 5]
    assert [one["advantages"].tolist() for one in found] == [[2.0, 1.0], [1.0, 2.0]]
    assert [one["prompt_mask"].sum(1).tolist() for one in found] == [[2, 5], [4, 5]]
    for one in found:
        rows = one["advantages"][:, None].long()
        assert (one["completion_ids"] == rows * one["completion_mask"]).all()
        assert (one["prompt_ids"] == rows * one["prompt_mask"]).all()
        assert one["importance_sampling_ratio"].shape == (2, 1)


def test_completions_that_are_all_masked_keep_a_column():
    assert trimmed(batch([0, 0], [3, 3]))["completion_ids"].shape == (2, 1)


@pytest.mark.parametrize(("per_rollout", "more"), [
    (4, {}), (2, {}), (3, {}), (2, {"loss_type": "bnpo"}), (2, {"loss_type": "grpo", "beta": 0.1}),
    (2, {"loss_type": "dr_grpo", "num_iterations": 2}), (2, {"top_entropy_quantile": 0.3}), (2, {"entropy_coef": 0.1}),
])  # fmt: skip
def test_a_trainer_takes_the_steps_that_it_would_take_without(tmp_path, per_rollout, more):
    tokenizer = models.load_tokenizer(composed(["stage=grpo", "model=tiny"]).model)
    rows = [{"prompt": [{"role": "user", "content": "Write a problem. " * (1 + i % 3)}]} for i in range(8)]

    def worth(completion_ids, **_):
        return [float(sum(ids) % 7) for ids in completion_ids]

    found, widths = {}, {}
    for own in (False, True):
        torch.manual_seed(0)
        config = AutoConfig.for_model("llama", vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48,
                                      num_hidden_layers=2, num_attention_heads=4)  # fmt: skip
        policy, rng = AutoModelForCausalLM.from_config(config), random.Random(1)

        def write(prompts, trainer, rng=rng):
            ids = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
            written = [[rng.randrange(9, 900) for _ in range(rng.randrange(2, 40))] + [2] for _ in ids]
            return {"prompt_ids": ids, "completion_ids": written, "logprobs": [[-1.0] * len(row) for row in written]}

        arguments = GRPOConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=4, gradient_accumulation_steps=2, num_generations=4,
            steps_per_generation=per_rollout, max_completion_length=40, max_steps=2, learning_rate=1e-2,
            report_to=[], save_strategy="no", use_cpu=True, bf16=False, seed=3, logging_steps=1,
            disable_tqdm=True, **{"loss_type": "dapo", "beta": 0.0} | more,
        )  # fmt: skip
        lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
        trainer = GRPOTrainer(policy, worth, arguments, Dataset.from_list(rows), processing_class=tokenizer,
                              rollout_func=write, peft_config=lora)  # fmt: skip
        if own:
            trim_completions(trainer)
        loss, seen = trainer._compute_loss, []

        def counted(model, inputs, loss=loss, seen=seen):
            seen.append(inputs["completion_ids"].numel())
            return loss(model, inputs)

        trainer._compute_loss = counted
        trainer.train()
        weights = {name: value.detach() for name, value in trainer.model.named_parameters() if value.requires_grad}
        found[own] = weights, [row["grad_norm"] for row in trainer.state.log_history if "grad_norm" in row]
        widths[own] = sum(seen)
    assert found[True][1] == pytest.approx(found[False][1], rel=1e-4)
    for name, value in found[False][0].items():
        torch.testing.assert_close(found[True][0][name], value, atol=2e-5, rtol=1e-3)
    assert widths[True] < 0.95 * widths[False]


def test_rows_are_shared_out_by_length_and_train_alike(tmp_path):
    tokenizer = models.load_tokenizer(composed(["stage=sft", "model=tiny"]).model)
    rng = random.Random(2)
    rows = [{"prompt": [{"role": "user", "content": "Write. " * rng.randrange(1, 9)}],
             "completion": [{"role": "assistant", "content": "A problem. " * rng.randrange(1, 30)}]}
            for _ in range(14)]  # fmt: skip
    found, widths = {}, {}
    for own in (False, True):
        torch.manual_seed(0)
        config = AutoConfig.for_model("llama", vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48,
                                      num_hidden_layers=2, num_attention_heads=4)  # fmt: skip
        arguments = SFTConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=2, gradient_accumulation_steps=4, max_steps=3,
            learning_rate=1e-2, completion_only_loss=True, report_to=[], save_strategy="no", use_cpu=True, bf16=False,
            seed=3, logging_steps=1, disable_tqdm=True,
        )  # fmt: skip
        lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"])
        trainer = SFTTrainer(AutoModelForCausalLM.from_config(config), arguments, train_dataset=Dataset.from_list(rows),
                             processing_class=tokenizer, peft_config=lora)  # fmt: skip
        if own:
            trim_rows(trainer)
        loss, seen = trainer.compute_loss, []

        def counted(model, inputs, *rest, loss=loss, seen=seen, **more):
            seen.append(inputs["input_ids"].numel())
            return loss(model, inputs, *rest, **more)

        trainer.compute_loss = counted
        trainer.train()
        weights = {name: value.detach() for name, value in trainer.model.named_parameters() if value.requires_grad}
        logged = [(row["loss"], row["grad_norm"]) for row in trainer.state.log_history if "grad_norm" in row]
        found[own], widths[own] = (weights, logged), sum(seen)
    assert len(found[True][1]) == 3  # of which the second is the end of an epoch, and is shorter
    for ours, theirs in zip(found[True][1], found[False][1], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    for name, value in found[False][0].items():
        torch.testing.assert_close(found[True][0][name], value, atol=2e-5, rtol=1e-3)
    assert widths[True] < widths[False]
