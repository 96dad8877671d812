"""Matrices in 8 bits for decoding: what a few rows times a large matrix costs is the reading of the matrix."""

import torch
from torch import Tensor

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU's torch has none
    triton = None


class Int8:
    """A matrix of shape (out, in) as integers with a scale a row: W[i] ~ scale[i] x integers[i], by maximum."""

    def __init__(self, rows: int, columns: int, device: torch.device):
        self.integers = torch.empty((rows, columns), dtype=torch.int8, device=device)
        self.scale = torch.empty(rows, dtype=torch.float32, device=device)

    def store(self, weight: Tensor, rows: slice) -> None:
        """Take `weight` over into these rows."""
        scale = weight.abs().amax(dim=1).float().clamp(min=1e-12) / 127
        self.scale[rows] = scale
        self.integers[rows] = (weight.float() / scale[:, None]).round_().to(torch.int8)

    def times(self, x: Tensor) -> Tensor:
        """x W^T for x of shape (..., in); returns (..., out) in x's dtype."""
        flat = x.reshape(-1, x.shape[-1])
        if triton is None or not x.is_cuda or len(flat) > 64:  # many rows: arithmetic counts, not reading
            out = flat @ (self.integers.to(x.dtype) / 128).T  # exactly; of whole integers float16's sums would overflow
            return (out * (128 * self.scale)).to(x.dtype).view(*x.shape[:-1], -1)
        return product(flat, self.integers, self.scale).view(*x.shape[:-1], -1)


@torch.library.custom_op("qgen::int8_product", mutates_args=())
def product(x: Tensor, integers: Tensor, scale: Tensor) -> Tensor:
    """x (scale integers)^T for up to 64 rows of x, each integer read once and widened on the chip."""
    rows, columns = len(integers), integers.shape[1]
    out = torch.empty((len(x), rows), dtype=x.dtype, device=x.device)
    block_m = max(16, triton.next_power_of_2(len(x)))
    grid = (triton.cdiv(rows, 32),)
    _product[grid](x, integers, scale, out, len(x), rows, columns, x.stride(0), BLOCK_M=block_m, num_warps=4,
                   num_stages=4)  # fmt: skip
    return out


@product.register_fake
def _(x: Tensor, integers: Tensor, scale: Tensor) -> Tensor:
    return x.new_empty((len(x), len(integers)))


if triton is not None:

    @triton.jit
    def _product(
        x, w, scale, out, m, n, k, stride,
        BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr = 32, BLOCK_K: tl.constexpr = 256,  # noqa: N803
    ):  # fmt: skip
        rows_m = tl.arange(0, BLOCK_M)
        rows_n = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
        inner = tl.arange(0, BLOCK_K)
        total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
        for start in range(0, k, BLOCK_K):
            column = start + inner
            a = tl.load(
                x + rows_m[:, None] * stride + column[None, :],
                mask=(rows_m[:, None] < m) & (column[None, :] < k), other=0.0,
            )  # fmt: skip
            b = tl.load(
                w + rows_n[None, :] * k + column[:, None],
                mask=(rows_n[None, :] < n) & (column[:, None] < k), other=0,
            )  # fmt: skip
            total = tl.dot(a, b.to(a.dtype), total)
        s = tl.load(scale + rows_n, mask=rows_n < n, other=0.0)
        tl.store(
            out + rows_m[:, None] * n + rows_n[None, :],
            (total * s[None, :]).to(out.dtype.element_ty),
            mask=(rows_m[:, None] < m) & (rows_n[None, :] < n),
        )
