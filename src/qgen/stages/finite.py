"""Nothing that is not finite gets further than one step.

A step whose loss or gradient is NaN or infinite changes neither weights nor optimizer nor schedule: the Trainer is told
that it was skipped, as float16's scaler tells it of its own. Such steps are counted, the first one's batch is kept, and
several in a row end the stage.
"""

import math
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from transformers import Trainer, TrainerCallback

from qgen.runs.files import append
from qgen.runs.rundir import BATCH, NOT_FINITE
from qgen.runs.saved import last_checkpoint
from qgen.runtime import ranks
from qgen.runtime.finite import NotFiniteError, is_finite, largest, whole
from qgen.settings.config import Config


class Finite(TrainerCallback):
    """Refuses steps that are not finite, and ends a stage that has `runtime.nonfinite.patience` of them in a row.

    Args:
        config: the stage's.
        out: its directory; nonfinite.jsonl gets a row a refused step, nonfinite.pt the batch of the first.
        attention: what runs, in words.
        counts: those of the checkpoint that the stage goes on from.

    Attributes:
        counts: `nonfinite_steps`, and in float16 `scaler_skips`, the steps that its scaler skipped while it looked for
            a scale.
    """

    def __init__(self, config: Config, out: Path, attention: str, counts: dict[str, int] | None = None):
        self.config, self.out, self.attention = config, out, attention
        self.counts = {"nonfinite_steps": 0} | (counts or {})
        self.streak = 0  # refused steps in a row
        self.found = ""  # in the first of them
        self.losses: list[Tensor] = []  # of the step's micro-batches
        self.batches: list[tuple[tuple, dict]] = []  # what their losses were computed from
        self.norm: Tensor | float | None = None

    def equip(self, trainer: Trainer) -> None:
        """Follow a trainer's losses, batches and gradient norms."""
        self.trainer = trainer
        trainer.training_step = self._loss_of(trainer.training_step)
        self.compute_loss, trainer.compute_loss = trainer.compute_loss, self._batch_of(trainer.compute_loss)
        trainer._get_grad_norm = self._norm_of(trainer._get_grad_norm)  # before clipping, of all ranks

    def on_train_begin(self, args, state, control, optimizer=None, **_):
        optimizer.step = self._guarded(optimizer, optimizer.step)

    def on_step_end(self, args, state, control, model=None, optimizer=None, **_):
        self.losses, self.batches, self.norm = [], [], None
        if self.streak:
            control.should_save = False  # what led here may stand in the weights already
            return
        held = [parameter.detach() for parameter in model.parameters() if parameter.requires_grad]
        if not math.isfinite(largest(held)):
            raise NotFiniteError(self._message(f"the weights are not finite after step {state.global_step}"))
        if control.should_save:
            moments = [value for values in optimizer.state.values() for value in values.values()]
            if not math.isfinite(largest(moments)):
                what = f"the optimizer's moments are not finite after step {state.global_step}"
                raise NotFiniteError(self._message(what))

    def on_log(self, args, state, control, logs=None, **_):
        if logs is not None and "loss" in logs:
            if self.streak:
                logs["loss"] = float("nan")  # the Trainer's own sum has left it out
            logs.update(self.counts)

    def judge(self) -> None:
        """Raise NotFiniteError where too many steps in a row were refused. To be called once a step is written down."""
        patience = self.config.runtime.nonfinite.patience
        if self.streak >= patience:
            step = self.trainer.state.global_step
            which = f"the last {patience} steps ({step - patience + 1} to {step})" if patience > 1 else f"step {step}"
            where = f", first in {self.found}" if self.found else ""
            raise NotFiniteError(self._message(f"the loss or gradient of {which} was not finite{where}"))

    def _guarded(self, optimizer: Any, step: Callable) -> Callable:
        """An accelerate optimizer's `step`, for finite steps only."""

        @wraps(step)
        def guarded(closure: Callable | None = None) -> None:
            scaler = optimizer.scaler
            losses, norm = self._read()
            searching = scaler is not None and scaler.get_scale() > 1  # a gradient that overflows is the scaler's
            fine = all(map(math.isfinite, losses)) and (searching or math.isfinite(norm))
            if all(ranks.gather([fine])):
                self.streak = 0
                step(closure)
                if scaler is None:
                    optimizer._is_overflow = False
                elif optimizer.step_was_skipped:
                    self.counts["scaler_skips"] = self.counts.get("scaler_skips", 0) + 1
                return
            self.streak += 1
            self.counts["nonfinite_steps"] += 1
            self._keep(losses, norm, fine)
            optimizer._is_overflow = True  # accelerate's word for a skipped step: the schedule stays where it is
            if scaler is not None:
                scaler.update()  # it has looked at the gradient, and would refuse to look again

        return guarded

    def _read(self) -> tuple[list[float], float]:
        """The losses of the step's micro-batches and the gradient's norm: one wait for the GPU."""
        norm = self.norm
        if norm is None:  # another loop than transformers' own
            norm = get_total_norm([p.grad for p in self.trainer.model.parameters() if p.grad is not None])
        norm = torch.as_tensor(whole(norm)).float()
        *losses, norm = torch.stack([*(loss.detach().float().to(norm.device) for loss in self.losses), norm]).tolist()
        return losses, norm

    def _keep(self, losses: list[float], norm: float, fine: bool) -> None:
        """Write a refused step down, and the batch of the first of all."""
        if self.streak == 1:
            self.found = self._where() if ranks.size() == 1 else ""
        first = ranks.gather([fine]).index(False)  # whose batch it was, as far as a rank's own loss tells
        if ranks.first():
            row = {"step": self.trainer.state.global_step + 1, "losses": losses, "grad_norm": norm, "rank": first}
            append(self.out / NOT_FINITE, [{**row, "first_in": self.found or None}])
        if ranks.rank() == first and not (self.out / BATCH).exists():
            batches = [{k: v for k, v in args[1].items() if isinstance(v, Tensor)} for args, _ in self.batches]
            plain = [{name: whole(value).detach().cpu() for name, value in batch.items()} for batch in batches]
            torch.save({"step": self.trainer.state.global_step + 1, "losses": losses, "batches": plain},
                       self.out / BATCH)  # fmt: skip

    def _where(self) -> str:
        """Where numbers stop being finite, found by running the step's micro-batches again: the first module of the
        forward pass whose output is not finite, or else the first gradient of the backward pass. "" where none is."""
        model = self.trainer.model
        with torch.random.fork_rng():
            for args, kwargs in self.batches:
                seen: list[str] = []
                hooks = [
                    module.register_forward_hook(partial(_note, seen, name))
                    for name, module in model.named_modules()
                    if not any(True for _ in module.children())
                ]
                model.zero_grad()
                try:
                    self.compute_loss(*args, **kwargs).backward()
                finally:
                    for hook in hooks:
                        hook.remove()
                if seen:
                    return f"the output of {_short(seen[0])}"
                grads = [name for name, p in model.named_parameters() if p.grad is not None and not is_finite(p.grad)]
                if grads:
                    return f"the gradient of {_short(grads[-1])}"  # backward begins at the end
        return ""

    def _message(self, what: str) -> str:
        stage, model = self.config.stage, self.trainer.model
        try:
            checkpoint, _ = last_checkpoint(self.out)
        except RuntimeError:
            checkpoint = None
        on = f"goes on from {checkpoint.name}" if checkpoint else "starts from the first step: there is no checkpoint"
        batch = f" Its batch is in {self.out / BATCH}." if (self.out / BATCH).exists() else ""
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        return (
            f"stage={stage.name} ended: {what}. No weight was changed by a step that was refused.{batch}\n"
            f"likely: a learning rate that is too high (stage.learning_rate={stage.learning_rate:g}), an attention "
            f"kernel that fails (running: {self.attention}), or numbers too large for {dtype}\n"
            f"try: a tenth of that learning rate, model.attn_implementation=eager, or model.dtype=float32; "
            f"resume=true {on}"
        )

    def _loss_of(self, training_step: Callable) -> Callable:
        @wraps(training_step)
        def followed(*args, **kwargs) -> Tensor:
            loss = training_step(*args, **kwargs)
            self.losses.append(loss)
            return torch.where(loss.isfinite(), loss, 0)  # the Trainer sums it up, and a NaN would never leave the sum

        return followed

    def _batch_of(self, compute_loss: Callable) -> Callable:
        @wraps(compute_loss)
        def followed(*args, **kwargs):
            self.batches.append((args, kwargs))
            return compute_loss(*args, **kwargs)

        return followed

    def _norm_of(self, get_grad_norm: Callable) -> Callable:
        @wraps(get_grad_norm)
        def followed(*args, **kwargs):
            self.norm = get_grad_norm(*args, **kwargs)
            return self.norm

        return followed


def _note(seen: list[str], name: str, module: torch.nn.Module, inputs: tuple, output: Any) -> None:
    if isinstance(output, Tensor) and output.is_floating_point() and not is_finite(output):
        seen.append(name)


def _short(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(".default", "").removesuffix(".weight")
