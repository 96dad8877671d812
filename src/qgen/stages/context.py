"""What a stage is given, and the arguments that all three Trainers share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from qgen.data import Corpus
from qgen.engine.compiled import CompiledWriter
from qgen.models import unsloth
from qgen.models.model import resolve_dtype
from qgen.rewards import Rewards, RewardScores
from qgen.runs.tracking import Tracker
from qgen.runtime import ranks
from qgen.settings.choices import Backend
from qgen.settings.config import Config
from qgen.stages.symptoms import Symptoms

ASKED = ("points", "kind", "original", "statement", "answer")  # columns of some requests


@dataclass
class Context:
    """One stage of one run: its config, its directory, and everything that was loaded for it."""

    config: Config
    out: Path
    model: PeftModel
    tokenizer: PreTrainedTokenizerBase
    corpus: Corpus
    rewards: Rewards
    tracker: Tracker
    symptoms: Symptoms
    writer: CompiledWriter | None = None  # who writes completions by model.rollout; None: the policy itself
    reference: Any = None  # with Unsloth: what TRL's own class makes of the arguments

    def arguments(self, config_class: type, **own: Any) -> Any:
        """TRL's config for this stage: the keys that qgen declares, what the stage sets, then stage.trl."""
        stage, cuda = self.config.stage, torch.cuda.is_available()
        dtype = resolve_dtype(self.config.model.dtype)
        fields = {
            "output_dir": str(self.out),
            "seed": self.config.seed,
            "max_steps": stage.max_steps,
            "per_device_train_batch_size": stage.per_device_train_batch_size,
            "gradient_accumulation_steps": stage.gradient_accumulation_steps,
            "learning_rate": stage.learning_rate,
            "warmup_steps": stage.warmup_steps,
            "lr_scheduler_type": stage.lr_scheduler_type.value,
            "weight_decay": stage.weight_decay,
            "max_grad_norm": stage.max_grad_norm,
            "optim": "adamw_torch",
            "logging_steps": 1,
            "logging_nan_inf_filter": False,  # it would log a NaN as the mean of the losses before
            "save_strategy": "steps",
            "save_steps": stage.save_steps,
            "save_total_limit": stage.save_total_limit,
            "ddp_find_unused_parameters": False,  # every LoRA weight takes part in every step
            "report_to": "none",  # qgen tracks by itself
            "disable_tqdm": True,  # and shows its own bar
            "gradient_checkpointing": self.config.model.gradient_checkpointing,
            "bf16": dtype is torch.bfloat16,
            "fp16": dtype is torch.float16,
            "use_cpu": not cuda,
            "dataloader_pin_memory": cuda,
        }
        asked = fields | own | stage.trl
        if self.config.model.backend is Backend.unsloth:  # its own defaults differ from TRL's
            asked = unsloth.defaults(config_class) | asked
            self.reference = unsloth.stock(config_class)(**asked)
        arguments = config_class(**asked)
        if ranks.size() > 1 and not cuda:  # it would restore a checkpoint to "cpu:0", a place that torch.load lacks
            arguments.__dict__["_setup_devices"] = torch.device("cpu")
        return arguments

    def keep(self, mode: str, step: int, columns: dict[str, list], texts: list[str], scores: RewardScores) -> None:
        """Write completions with their requests' columns and scores to samples.jsonl, and look out for what a run that
        goes wrong shows."""
        self.symptoms.see(mode, step, texts, scores.total)
        rows = (
            {
                "mode": mode,
                "step": step,
                "topic": columns["topic"][i],
                "level": columns["level"][i],
                **{name: columns[name][i] for name in ASKED if name in columns},
                "completion": text,
                "terms": scores.row(i),
                "reward": round(scores.total[i], 4),
                **scores.facts[i],
            }
            for i, text in enumerate(texts)
        )
        self.tracker.write("samples", *rows)

    def fitting(self, rows: list[dict], what: str) -> list[dict]:
        """The rows of {prompt, completion} that take at most model.max_length tokens; it is printed how many do not."""
        limit = self.config.model.max_length
        texts = [self.tokenizer.apply_chat_template(r["prompt"] + r["completion"], tokenize=False) for r in rows]
        lengths = [len(ids) for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]] if texts else []
        kept = [row for row, length in zip(rows, lengths, strict=True) if length <= limit]
        if len(kept) < len(rows):
            print(f"left out: {len(rows) - len(kept)} of {len(rows)} {what}, over model.max_length={limit}")
        return kept

    def need(self, rows: int, needed: int, what: str, remedy: str = "add data") -> None:
        """Raise RuntimeError where there are fewer rows than one optimizer step takes."""
        if rows < needed:
            raise RuntimeError(
                f"stage={self.config.stage.name} takes {needed} {what} a step, and there are {rows}: {remedy}, or "
                f"lower stage.per_device_train_batch_size or stage.gradient_accumulation_steps"
            )
