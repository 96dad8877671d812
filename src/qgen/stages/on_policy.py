"""teacher=local: distillation of another model's next-token distributions on what the student writes itself
(generalised knowledge distillation, arXiv:2306.13649), by TRL's DistillationTrainer."""

from trl import DistillationConfig, DistillationTrainer

from qgen.runtime import ranks
from qgen.stages import grpo
from qgen.stages.context import Context
from qgen.teachers import local


class Trainer(DistillationTrainer):
    """TRL's, which also keeps what it trains on, with its scores: samples.jsonl, and the rewards' means as metrics."""

    context: Context

    def _generate_and_score_completions(self, inputs: list[dict]) -> dict:
        batch = super()._generate_and_score_completions(inputs)
        written = zip(batch["completion_ids"], batch["completion_mask"], strict=True)
        texts = self.processing_class.batch_decode([i[m.bool()] for i, m in written], skip_special_tokens=True)
        texts, asked = ranks.gather(texts), ranks.gather(inputs)
        columns = {name: [row[name] for row in asked] for name in ("topic", "level", "points")}
        scores = self.context.rewards.score([row["prompt"] for row in asked], texts, **columns)
        self.context.keep("train", self.state.global_step, columns, texts, scores)
        self._metrics["train"]["reward"].append(sum(scores.total) / len(scores.total))
        for name, mean in scores.means().items():
            self._metrics["train"][f"terms/{name}"].append(float("nan") if mean is None else mean)
        return batch


def build(context: Context) -> Trainer:
    """A trainer whose prompts ask for problems of the training problems' topics and levels."""
    config, stage = context.config, context.config.stage
    teacher = local.load(config, context.model, context.tokenizer)
    step = stage.per_device_train_batch_size * stage.gradient_accumulation_steps * ranks.size()
    arguments = context.arguments(
        DistillationConfig,
        max_completion_length=config.sampling.max_new_tokens,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        shuffle_dataset=False,  # `requests` has done it
    )
    trainer = Trainer(
        model=context.model,
        teacher_model=teacher,
        args=arguments,
        train_dataset=grpo.requests(context, step * stage.max_steps),
        processing_class=context.tokenizer,
    )
    trainer.context = context
    return trainer
