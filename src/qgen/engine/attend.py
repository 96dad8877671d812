"""Attention of each row's newest token to its own part of the cache, and to no more of it.

Rows of one batch are of all lengths where one is replaced as soon as it ends. PyTorch's attention reads the whole
rectangle under a mask; this reads a row up to its own position, each key and value once for all heads of its group.
The softmax is taken as the blocks come (FlashAttention, arXiv:2205.14135). Where rows are few, a row's columns are
shared out among programs, whose parts a second kernel joins (its decoding form): one program alone waits for memory.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

try:
    import triton
    import triton.language as tl
except ImportError:  # a CPU's torch has none
    triton = None

BLOCK = 64  # columns that are read at once; half of them where registers or shared memory hold no more
PARTS = 16  # of a row's columns, at most


@torch.library.custom_op("qgen::attend", mutates_args=())
def attend(q: Tensor, keys: Tensor, values: Tensor, position: Tensor, scale: float) -> Tensor:
    """softmax(scale q k^T) v over the columns 0 to position of each row.

    Args:
        q: (rows, groups, heads of a group, head width).
        keys, values: the cache, (rows, groups, length, head width), of the same strides.
        position: the column of each row's newest token, (rows,).

    Returns the shape of q.
    """
    if not q.is_cuda:
        last = int(position.max()) + 1
        seen = torch.arange(last, device=q.device) <= position[:, None]
        mask = seen[:, None, None].expand(*q.shape[:3], last)
        return scaled_dot_product_attention(q, keys[:, :, :last], values[:, :, :last], mask, scale=scale).contiguous()
    rows, groups, heads, width = q.shape
    q, out = q.contiguous(), torch.empty(q.shape, dtype=q.dtype, device=q.device)
    narrow = q.itemsize > 2 or torch.cuda.get_device_capability(q.device) < (8, 0)
    split = parts(rows * groups, torch.cuda.get_device_properties(q.device).multi_processor_count)
    size = {"HEADS": max(16, triton.next_power_of_2(heads)), "WIDTH": max(16, triton.next_power_of_2(width))}
    new = lambda *shape: torch.empty(shape, dtype=torch.float32, device=q.device)  # noqa: E731
    some = (rows, groups, split, size["HEADS"]) if split > 1 else (0,)
    highest, weight, total = new(*some), new(*some), new(*some, size["WIDTH"])
    _attend[rows, groups, split](
        q, keys, values, position, out, highest, weight, total, scale * 1.4426950408889634, groups, heads, width,
        *keys.stride()[:3], BLOCK=BLOCK // 2 if narrow else BLOCK, PARTS=split, num_warps=4, num_stages=2, **size,
    )  # fmt: skip
    if split > 1:
        _join[rows * groups, heads](highest, weight, total, out, heads, width, PARTS=split, num_warps=4, **size)
    return out


def parts(programs: int, processors: int) -> int:
    """Among how many programs a row's columns are shared out, a power of two: so that each processor has one or two."""
    split = 1
    while split < PARTS and 2 * split * programs <= 2 * processors:
        split *= 2
    return split


@attend.register_fake
def _(q: Tensor, keys: Tensor, values: Tensor, position: Tensor, scale: float) -> Tensor:
    return q.new_empty(q.shape)


if triton is not None:

    @triton.jit
    def _attend(
        q, keys, values, position, out, highests, weights, totals, scale, groups, heads, width,
        row_stride, group_stride, column_stride,
        HEADS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr, PARTS: tl.constexpr,  # noqa: N803
    ):  # fmt: skip
        row, group, part = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
        last = tl.load(position + row)
        head, place, column = tl.arange(0, HEADS), tl.arange(0, WIDTH), tl.arange(0, BLOCK)
        own = (row * groups + group) * heads * width + head[:, None] * width + place[None, :]
        real = (head[:, None] < heads) & (place[None, :] < width)
        asked = tl.load(q + own, mask=real, other=0.0)
        begin = row * row_stride + group * group_stride
        highest = tl.full((HEADS,), float("-inf"), dtype=tl.float32)
        weight = tl.zeros((HEADS,), dtype=tl.float32)
        total = tl.zeros((HEADS, WIDTH), dtype=tl.float32)
        share_of = tl.cdiv(tl.cdiv(last + 1, BLOCK), PARTS) * BLOCK  # columns of a part
        for start in range(part * share_of, tl.minimum((part + 1) * share_of, last + 1), BLOCK):
            at = begin + (start + column)[:, None] * column_stride + place[None, :]
            there = (start + column <= last)[:, None] & (place[None, :] < width)
            k = tl.load(keys + at, mask=there, other=0.0)
            v = tl.load(values + at, mask=there, other=0.0)
            score = tl.dot(asked, tl.trans(k), input_precision="ieee") * scale  # in powers of two
            score = tl.where((start + column <= last)[None, :], score, float("-inf"))
            now = tl.maximum(highest, tl.max(score, axis=1))
            share, shrunk = tl.exp2(score - now[:, None]), tl.exp2(highest - now)
            weight = weight * shrunk + tl.sum(share, axis=1)
            total = total * shrunk[:, None] + tl.dot(share.to(v.dtype), v, input_precision="ieee")
            highest = now
        if PARTS == 1:
            tl.store(out + own, (total / weight[:, None]).to(out.dtype.element_ty), mask=real)
        else:
            mine = ((row * groups + group) * PARTS + part) * HEADS + head
            tl.store(highests + mine, highest)
            tl.store(weights + mine, weight)
            tl.store(totals + mine[:, None] * WIDTH + place[None, :], total)

    @triton.jit
    def _join(
        highests, weights, totals, out, heads, width,
        HEADS: tl.constexpr, WIDTH: tl.constexpr, PARTS: tl.constexpr,  # noqa: N803
    ):  # fmt: skip
        pair, head = tl.program_id(0).to(tl.int64), tl.program_id(1)  # row and group, head of the group
        part, place = tl.arange(0, PARTS), tl.arange(0, WIDTH)
        at = (pair * PARTS + part) * HEADS + head
        highest = tl.load(highests + at)
        share = tl.exp2(highest - tl.max(highest, axis=0))  # 0 of an empty part; the first is never one
        total = tl.load(totals + at[:, None] * WIDTH + place[None, :])
        attended = tl.sum(total * share[:, None], axis=0) / tl.sum(tl.load(weights + at) * share, axis=0)
        tl.store(out + (pair * heads + head) * width + place, attended.to(out.dtype.element_ty), mask=place < width)
