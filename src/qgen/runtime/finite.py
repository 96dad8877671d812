"""Whether numbers are finite: a model's weights, and whatever tensors a step holds. stages/finite.py acts upon it."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm


class NotFiniteError(RuntimeError):
    """The model's numbers are not finite, and will not become so by themselves."""


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest absolute value; NaN or infinity where one is among them, and 0 of nothing."""
    held = [tensor for tensor in tensors if isinstance(tensor, Tensor) and tensor.is_floating_point()]
    return float(whole(get_total_norm(held, norm_type=math.inf))) if held else 0.0


def first_not_finite(model: torch.nn.Module) -> str | None:
    """The name of the first weight that holds NaN or infinity; None where all are finite."""
    named = ((name, p) for name, p in model.named_parameters() if p.is_floating_point() and not p.is_meta)
    return next((name for name, parameter in named if not is_finite(parameter)), None)


def is_finite(tensor: Tensor) -> bool:
    """Whether every number of a tensor is finite, of all ranks that share it out."""
    return bool(torch.isfinite(whole(tensor.detach())).all())


def whole(value: Any) -> Any:
    """A tensor that ranks share out, gathered."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value
