"""Distillation: training on what a teacher writes. teacher=self is best-of-n: the model's own winners by reward,
each with the answer that its program computes, or, for stage.task=solve, its own right solutions (rejection sampling);
teacher=api (distill_api.py) makes lessons of them; teacher=local (on_policy.py) needs no text, but logits."""

import random

from transformers import Trainer

from qgen.data.prompts import of_task
from qgen.engine.completion import Completion
from qgen.engine.rollout import generate
from qgen.proofs import reading
from qgen.runs.rundir import WINNERS, once
from qgen.runtime import ranks
from qgen.runtime.shards import whole
from qgen.settings.choices import Combine, Task, Teacher
from qgen.stages import distill_api, on_policy, sft
from qgen.stages.context import Context


def build(context: Context) -> Trainer:
    """A trainer on the winners, or on what a teacher made of them: they are written to winners.jsonl before training
    starts and read on a resume."""
    teacher = context.config.teacher.name
    if teacher is Teacher.local:
        return on_policy.build(context)
    won = once(
        context.out / WINNERS,
        lambda: distill_api.lessons(context, best_of_n) if teacher is Teacher.api else best_of_n(context),
    )
    return sft.trainer(context, [{"prompt": row["prompt"], "completion": row["completion"]} for row in won], needed=1)


def best_of_n(context: Context) -> list[dict]:
    """For each of stage.num_prompts requests the best of stage.num_generations completions that pass the gate and that,
    where the reward is a product, are worth anything.

    With several ranks each writes its share. Raises RuntimeError where fewer win than a batch on one device takes: a
    model that writes no problems cannot teach itself to.
    """
    config, stage = context.config, context.config.stage
    problems = random.Random(config.seed).choices(context.corpus.train, k=stage.num_prompts)
    asked = [of_task(config.prompt, problem, stage.task, turn=0) for problem in problems]
    requests = [row for row in asked for _ in range(stage.num_generations)]
    print(f"distill: writing {stage.num_generations} completions for each of {stage.num_prompts} requests")

    def write(prompts: list) -> list[Completion]:
        model, seed = context.model, config.seed + ranks.rank()
        return generate(model, context.tokenizer, prompts, config.sampling, seed, reading.wrote, context.writer)

    with whole(context.model):
        written = ranks.spread(write, [r["prompt"] for r in requests])
    columns = {name: [r[name] for r in requests] for name in requests[0] if name != "prompt"}
    texts = [completion.text for completion in written]
    scores = context.rewards.score([r["prompt"] for r in requests], texts, **columns)
    context.keep("draft" if config.teacher.name is Teacher.api else "teacher", 0, columns, texts, scores)
    won = []
    for start in range(0, len(texts), stage.num_generations):
        group = list(range(start, start + stage.num_generations))
        if config.reward.gate:
            group = [i for i in group if scores.terms[config.reward.gate][i] and written[i].finished]
        if config.reward.combine is Combine.product:  # what is worth nothing (no answer that is proved) is no lesson
            group = [i for i in group if scores.total[i] > 0]
        if group:
            best = max(group, key=lambda i: scores.total[i])
            content = texts[best]
            if stage.task is not Task.solve:
                content = reading.computed_text(content, config.prompt.language.value)
            completion = [{"role": "assistant", "content": content}]
            won.append({**requests[best], "completion": completion, "reward": scores.total[best]})
    print(f"distill: {len(won)} of {stage.num_prompts} requests have a winner")
    if len(won) < stage.per_device_train_batch_size:
        raise RuntimeError(
            f"{len(won)} of {stage.num_prompts} requests have a completion to learn from, fewer than a batch of "
            f"{stage.per_device_train_batch_size}: raise stage.num_prompts, or train the stages before for longer; "
            f"then overwrite=true"
        )
    return won
