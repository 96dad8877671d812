"""Distillation: training on what a teacher writes. teacher=self is best-of-n: the model's own winners by reward."""

import json
import random

from trl import SFTTrainer

from qgen.prompts import request
from qgen.runtime import ranks
from qgen.runtime.files import rows, write_whole
from qgen.runtime.rollout import Completion, generate
from qgen.runtime.rundir import WINNERS
from qgen.stages import sft
from qgen.stages.context import Context


def build(context: Context) -> SFTTrainer:
    """A trainer on the winners, which are written to winners.jsonl before training starts and read on a resume."""
    path = context.out / WINNERS
    ranks.wait()  # the first may have cleared it
    if not path.exists():
        won = best_of_n(context)
        if ranks.first():
            write_whole(path, "".join(json.dumps(row) + "\n" for row in won))
        ranks.wait()
    return sft.trainer(context, rows(path), needed=1)


def best_of_n(context: Context) -> list[dict]:
    """For each of stage.num_prompts requests the best of stage.num_generations completions that pass the gate.

    With several ranks each writes its share. Raises RuntimeError where fewer win than a batch on one device takes: a
    model that writes no problems cannot teach itself to.
    """
    config, stage = context.config, context.config.stage
    problems = random.Random(config.seed).choices(context.corpus.train, k=stage.num_prompts)
    requests = [request(config.prompt, p) for p in problems for _ in range(stage.num_generations)]
    print(f"distill: writing {stage.num_generations} completions for each of {stage.num_prompts} requests")

    def write(prompts: list) -> list[Completion]:
        seed = config.seed + ranks.rank()
        return generate(context.model, context.tokenizer, prompts, config.sampling, seed, writer=context.writer)

    written = ranks.spread(write, [r["prompt"] for r in requests])
    columns = {name: [r[name] for r in requests] for name in ("topic", "level")}
    texts = [completion.text for completion in written]
    scores = context.rewards.score([r["prompt"] for r in requests], texts, **columns)
    context.keep("teacher", 0, columns, texts, scores)
    won = []
    for start in range(0, len(texts), stage.num_generations):
        group = range(start, start + stage.num_generations)
        if config.reward.gate:
            group = [i for i in group if scores.terms[config.reward.gate][i] and written[i].finished]
        if group:
            best = max(group, key=lambda i: scores.total[i])
            completion = [{"role": "assistant", "content": texts[best]}]
            won.append({"prompt": requests[best]["prompt"], "completion": completion, "reward": scores.total[best]})
    print(f"distill: {len(won)} of {stage.num_prompts} requests have a winner")
    if len(won) < stage.per_device_train_batch_size:
        raise RuntimeError(
            f"{len(won)} of {stage.num_prompts} requests have a completion that passes the gate, fewer than a batch of "
            f"{stage.per_device_train_batch_size}: raise stage.num_prompts, or train the stages before for longer; "
            f"then overwrite=true"
        )
    return won
