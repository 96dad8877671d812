"""Supervised fine-tuning on real problems; the loss is on the assistant's part alone."""

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from qgen.data.mix import training_rows
from qgen.runtime import ranks
from qgen.settings.choices import Backend
from qgen.stages.context import Context
from qgen.stages.padding import trim_rows


def build(context: Context) -> SFTTrainer:
    """A trainer on the training problems, mixed as data.mix says."""
    config = context.config
    rows = training_rows(context.corpus, config.data, config.prompt, config.seed)
    step = config.stage.per_device_train_batch_size * config.stage.gradient_accumulation_steps * ranks.size()
    return trainer(context, rows, needed=step)


def trainer(context: Context, rows: list[dict], needed: int) -> SFTTrainer:
    """A trainer on rows of {prompt, completion}. Rows longer than model.max_length are left out: cut short, they
    would teach problems without an answer.

    Raises RuntimeError where fewer than `needed` are left.
    """
    config = context.config
    kept = context.fitting(rows, "rows")
    context.need(len(kept), needed, "problems")
    arguments = context.arguments(SFTConfig, max_length=config.model.max_length, completion_only_loss=True)
    made = SFTTrainer(
        model=context.model, args=arguments, train_dataset=Dataset.from_list(kept), processing_class=context.tokenizer
    )
    if config.model.backend is Backend.hf:  # Unsloth has its own way with padding
        trim_rows(made)
    return made
