"""Group relative policy optimisation (DeepSeekMath, arXiv:2402.03300) under the rewards of the registry."""

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from qgen.prompts import request
from qgen.rewards import Scores, text
from qgen.stages.context import Context


def build(context: Context) -> GRPOTrainer:
    """A trainer whose prompts ask for problems of the training problems' topics and levels."""
    config, stage, rewards = context.config, context.config.stage, context.rewards
    rows = [request(config.prompt, problem) for problem in context.corpus.train]
    completions = stage.per_device_train_batch_size * stage.gradient_accumulation_steps
    context.need(len(rows), completions // stage.num_generations, "prompts")
    arguments = context.arguments(
        GRPOConfig,
        num_generations=stage.num_generations,
        max_completion_length=config.sampling.max_new_tokens,
        temperature=config.sampling.temperature,
        top_p=config.sampling.top_p,
        remove_unused_columns=False,  # rewards read topic and level
        reward_weights=rewards.trl_weights(),
        multi_objective_aggregation=rewards.aggregation(),
    )

    def keep(prompts: list, written: list, scores: Scores, columns: dict) -> None:
        context.keep("train", columns["trainer_state"].global_step, columns, [text(c) for c in written], scores)
        for name, mean in scores.means().items():  # of the raw values, whatever the normalisation
            columns["log_metric"](f"terms/{name}", float("nan") if mean is None else mean)

    rewards.sink = keep
    return GRPOTrainer(
        model=context.model,
        reward_funcs=rewards.functions(),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=context.tokenizer,
    )
