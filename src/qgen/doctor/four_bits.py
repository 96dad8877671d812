"""Layers that take what bitsandbytes' NF4 layers take, on a machine without it."""

from typing import Any

import torch
from peft import PeftModel
from torch.nn.functional import linear

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)  # bytes a weight: 4 bits, an 8-bit scale for 64, a 32-bit one for 256 of those


class Quantized(torch.nn.Module):
    """In the place of bitsandbytes' Linear4bit, whose weights are taken apart for each product."""

    def __init__(self, layer: torch.nn.Linear):
        super().__init__()
        self.in_features, self.out_features, self.bias = layer.in_features, layer.out_features, layer.bias
        self.dtype = layer.weight.dtype
        size = int(layer.weight.numel() * NF4)
        self.weight = torch.nn.Parameter(torch.empty(size, dtype=torch.uint8, device="meta"), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        product = _Product.apply(x.to(self.dtype), (self.out_features, self.in_features))
        return (product if self.bias is None else product + self.bias).clone()  # PEFT clones what 4 bits give


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        ctx.size = size
        return linear(x, x.new_empty(size))

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient @ gradient.new_empty(ctx.size), None


def quantize(model: PeftModel, adapter: torch.dtype) -> None:
    """What load_in_4bit makes of a model: its matrices but for the last in NF4, the adapter as TRL and qgen cast it."""
    base: Any = model.get_base_model()
    head = base.get_output_embeddings()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            trained = any(p.requires_grad for p in child.parameters())
            if isinstance(child, torch.nn.Linear) and child is not head and not trained:
                setattr(parent, name, Quantized(child))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(adapter)
