"""The compiled rollout's functions, each compiled once for all sizes."""

from collections.abc import Callable

import torch
from torch.fx.experimental import _config as symbolic_shapes

from qgen.engine import decoder
from qgen.engine.draw import choose


def compile_layer() -> Callable:
    """`decoder.write` as one compiled function for all numbers of rows and lengths of the cache (8 bits: two, by
    Int8.times).

    Only those two are told to be of any size: with `dynamic=True` the compiler reasons about every other one too, and
    starts over at the floats. On one H100 80GB a first rollout of 135M took 21.1 s so and takes 9.0, beside an earlier
    job's caches 18.5 and 3.8 (benchmarks/results/rollout/h100_compile.txt).
    """
    compiled = torch.compile(decoder.write, dynamic=False)  # but for what is marked, whatever sizes other models have

    def run(x, weights, shape, keys, values, position, cos, sin):
        any_size = torch._dynamo.maybe_mark_dynamic
        for tensor in (x, keys, values, position, cos, sin):
            any_size(tensor, 0)  # rows
        for tensor in (keys, values):
            any_size(tensor, 2)  # columns
        # two sizes that are equal today need not be tomorrow; torch gives such modules their patch when it runs
        with symbolic_shapes.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            return compiled(x, weights, shape, keys, values, position, cos, sin)

    return run


def compile_choice() -> Callable:
    """`choose` as one compiled function for all numbers of rows: its passes over the vocabulary become two or three."""
    compiled = torch.compile(choose)

    def run(logits, draw):
        torch._dynamo.maybe_mark_dynamic(logits, 0)
        return compiled(logits, draw)

    return run
