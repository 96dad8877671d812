"""Group relative policy optimisation (DeepSeekMath, arXiv:2402.03300) under the rewards of the registry."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from qgen.data.prompts import epochs
from qgen.engine.compiled import CompiledWriter
from qgen.engine.state import WrittenTokens
from qgen.engine.vllm import hand_over, room_for, takes_adapter
from qgen.proofs import reading
from qgen.rewards import RewardScores, text
from qgen.runtime import ranks
from qgen.settings.choices import Backend, Rollout
from qgen.stages.context import Context
from qgen.stages.gap import log_gap
from qgen.stages.guard import steps_per_rollout
from qgen.stages.padding import trim_completions
from qgen.stages.redraw import Redraw

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # rollout_func is what qgen's version pin is for


def requests(context: Context, count: int) -> Dataset:
    """Rows of stage.task on the training problems: one seeded order of all of them after another.

    TRL's sampler, left to shuffle, starts a resumed run with the first epoch's order whatever the epoch.
    """
    config = context.config
    rows, order = epochs(config.prompt, context.corpus.train, config.stage.task, config.seed, count)
    return Dataset.from_list(rows).select(order)


def tokens(context: Context, prompts: list) -> list[list[int]]:
    """Each request's, up to where the answer begins."""
    return context.tokenizer.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]


def rollout(context: Context, writer: CompiledWriter) -> Callable[[list, GRPOTrainer], dict[str, list]]:
    """What TRL asks for completions (its rollout_func), from the copy of the policy."""
    sampling = context.config.sampling

    def begin(_: int, row: WrittenTokens) -> None:
        reading.begin(context.tokenizer.decode(row.ids, skip_special_tokens=True))

    def write(prompts: list, trainer: GRPOTrainer) -> dict[str, list]:
        ids = tokens(context, prompts)
        with writer.fresh():
            written = writer.write(ids, sampling, context.config.stage.rollout_batch_size, begin)
        return {
            "prompt_ids": ids,
            "completion_ids": [w.ids for w in written],
            "logprobs": [w.logprobs for w in written],
        }

    return write


def build(context: Context) -> GRPOTrainer:
    """A trainer whose prompts ask for problems of the training problems' topics and levels, or for variations."""
    config, stage, rewards = context.config, context.config.stage, context.rewards
    completions = stage.per_device_train_batch_size * stage.gradient_accumulation_steps
    prompts = completions // stage.num_generations * ranks.size()
    context.need(len(context.corpus.train), prompts, "prompts")
    # TRL drops what does not fill one
    chunk = max(1, prompts * stage.steps_per_generation // stage.gradient_accumulation_steps)
    rows = requests(context, -(-prompts * stage.max_steps // chunk) * chunk)
    vllm = config.model.rollout is Rollout.vllm
    longest = max(map(len, tokens(context, list({str(p): p for p in rows["prompt"]}.values())))) if vllm else 0
    arguments = context.arguments(
        GRPOConfig,
        num_generations=stage.num_generations,
        max_completion_length=config.sampling.max_new_tokens,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        shuffle_dataset=False,  # `requests` has done it
        use_vllm=vllm,
        vllm_max_model_length=longest + config.sampling.max_new_tokens if vllm else None,
        remove_unused_columns=False,  # rewards read topic and level
        reward_weights=rewards.trl_weights(),
        multi_objective_aggregation=rewards.aggregation(),
    )

    if over := arguments.save_steps % (lasts := steps_per_rollout(arguments)):
        arguments.save_steps += lasts - over  # a resume from in between would write other completions
        print(
            f"grpo: a checkpoint every {arguments.save_steps} steps instead of stage.save_steps={stage.save_steps}: "
            f"the completions of one rollout are trained on for {lasts} steps"
        )

    mine: list[float] = []  # the rewards of what this rank has just scored

    def keep(prompts: list, written: list, scores: RewardScores, columns: dict) -> None:
        context.keep("train", columns["trainer_state"].global_step, columns, [text(c) for c in written], scores)
        for name, mean in scores.means().items():  # of the raw values, whatever the normalisation
            columns["log_metric"](f"terms/{name}", float("nan") if mean is None else mean)
        for name, value in rewards.trust().items():
            columns["log_metric"](f"trust/{name}", value)
        columns["log_metric"]("seconds/rewards", scores.seconds)
        count = len(scores.total) // ranks.size()
        mine[:] = scores.total[ranks.rank() * count :][:count]

    rewards.sink = keep
    beside = vllm and takes_adapter(context.model, arguments)
    with room_for(context.model) if beside else nullcontext():
        trainer = GRPOTrainer(
            rollout_func=rollout(context, context.writer) if context.writer else None,
            model=context.model,
            reward_funcs=rewards.functions(),
            args=arguments,
            train_dataset=rows,
            processing_class=context.tokenizer,
        )
    if beside:
        hand_over(trainer)
    if config.model.backend is Backend.hf:  # Unsloth has a loss of its own, and compiles anew for each width
        trim_completions(trainer)
        if context.writer:
            log_gap(trainer)
    if stage.rollout_batch_size:
        trainer._generate_single_turn = in_parts(trainer._generate_single_turn, stage.rollout_batch_size)
    if stage.redraws:
        redraw = Redraw(
            trainer._generate_and_score_completions, list({str(r["prompt"]): r for r in rows}.values()),
            stage.num_generations, stage.redraws, lambda: list(mine),
            lambda name, value: trainer._metrics["train"][name].append(value),
            context.tokenizer.pad_token_id, f"{config.seed}",
        )  # fmt: skip
        trainer._generate_and_score_completions = lambda inputs: redraw(inputs, trainer.state.global_step)
    return trainer


def in_parts(generate: Callable, at_once: int) -> Callable:
    """TRL's own generation, so many prompts after another. Its third argument, of images, is empty here."""

    def generated(prompt_ids: list[list[int]], images: None, fields: dict, **more) -> tuple[list, list | None]:
        parts = [generate(prompt_ids[i : i + at_once], images, fields, **more)
                 for i in range(0, len(prompt_ids), at_once)]  # fmt: skip
        ids, logprobs = zip(*parts, strict=True)
        return list(chain(*ids)), None if logprobs[0] is None else list(chain(*logprobs))

    return generated
