"""What benchmarks/overhead.py measures qgen against: the same steps by a script that calls TRL alone."""

import json
import sys
import time
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

home, out = map(Path, sys.argv[1:])
settings = json.loads((home / "settings.json").read_text())
tokenizer = AutoTokenizer.from_pretrained(settings["model"], padding_side="left")
base = AutoModelForCausalLM.from_pretrained(settings["model"], dtype=torch.float32)
torch.manual_seed(settings["seed"])
policy = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **settings["lora"]))
times = []


class Clock(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **_):
        if "loss" in logs:
            times.append(time.time())


arguments = SFTConfig(
    output_dir=str(out), seed=settings["seed"], completion_only_loss=True, logging_steps=1, report_to="none",
    use_cpu=not torch.cuda.is_available(), dataloader_pin_memory=torch.cuda.is_available(), optim="adamw_torch",
    gradient_checkpointing=False, bf16=False, **settings["trl"],
)  # fmt: skip
trainer = SFTTrainer(
    model=policy,
    args=arguments,
    train_dataset=Dataset.from_list(json.loads((home / "rows.json").read_text())),
    processing_class=tokenizer,
    callbacks=[Clock()],
)
trainer.train()
policy.save_pretrained(out / "adapter")
tokenizer.save_pretrained(out / "adapter")
trainer.state.save_to_json(str(out / "trainer_state.json"))
(out / "times.json").write_text(json.dumps({"training": times[-1] - times[0]}))
