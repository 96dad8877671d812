"""How far the log-probabilities of who writes completions are from those of who is trained on them.

Another kernel or another precision rounds otherwise, so that the policy is trained on completions of a slightly other
policy. TRL logs this for vLLM, and corrects for it there; qgen logs it for the copy, under TRL's names.
"""

from functools import wraps

import torch
from torch import Tensor
from trl import GRPOTrainer

NAME = "sampling/sampling_logp_difference"


def log_gap(trainer: GRPOTrainer) -> None:
    """Log the mean and the largest difference, in nats a token, with each step."""
    compute_loss, logps = trainer._compute_loss, trainer._get_per_token_logps_and_entropies

    @wraps(compute_loss)
    def computed(model: torch.nn.Module, inputs: dict) -> Tensor:
        def compared(*args, **kwargs):
            found = logps(*args, **kwargs)
            _note(trainer, found[0].detach(), inputs)
            return found

        trainer._get_per_token_logps_and_entropies = compared
        try:
            return compute_loss(model, inputs)
        finally:
            trainer._get_per_token_logps_and_entropies = logps

    trainer._compute_loss = computed


def _note(trainer: GRPOTrainer, trained: Tensor, inputs: dict) -> None:
    apart = (trained - inputs["sampling_per_token_logps"]).abs()[inputs["completion_mask"].bool()]
    if len(apart) == 0:
        apart = trained.new_zeros(1)
    mode = "train" if trainer.model.training else "eval"
    gather = trainer.accelerator.gather
    trainer._metrics[mode][f"{NAME}/mean"].append(gather(apart.mean()).mean().item())
    trainer._metrics[mode][f"{NAME}/max"].append(gather(apart.max()).max().item())
