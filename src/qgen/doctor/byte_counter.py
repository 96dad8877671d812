"""Counts what tensors take, real or fake, as PyTorch's dispatcher sees them come and go.

PyTorch's own torch.distributed._tools.mem_tracker.MemTracker was tried (2.13). It puts a hook on every parameter, which
PyTorch refuses for a frozen one, as all are but the adapter's. It cannot begin a new peak in the middle of a step, and
counts the copies that autograd makes under a dispatch mode alone.
"""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

BLOCK = 512  # bytes: what PyTorch's allocator rounds up to
IN_PLACE = (torch.ops.aten.add.Tensor, torch.ops.aten.scatter_add.default)  # see ByteCounter.backward


class ByteCounter(TorchDispatchMode):
    """Counts the bytes of all storages that operations make, from when they are made until nothing refers to them.

    Attributes:
        backward: gradients are being computed. Under a dispatch mode autograd copies what it adds to in place
            otherwise (isTensorSubclassLike in PyTorch's input_buffer.cpp and FunctionsManual.cpp). The operations of
            IN_PLACE are therefore counted as in place.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.sizes: dict[int, int] = {}
        self.backward = False

    def start(self, zero: bool = True) -> None:
        """Begin a new peak at what is live now. With `zero` that counts as nothing."""
        if zero:
            self.live = 0
        self.peak = self.live

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if self.backward and func in IN_PLACE and not torch.is_grad_enabled():
            into, other = args[0], args[-1]
            if func is not torch.ops.aten.add.Tensor or _alike(into, other):
                return into
        out = func(*args, **(kwargs or {}))
        for tensor in tree_iter(out):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return out

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = -(-storage.nbytes() // BLOCK) * BLOCK
            self.live += self.sizes[key]
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live -= self.sizes.pop(key)


def _alike(one: torch.Tensor, two: object) -> bool:
    return isinstance(two, torch.Tensor) and (one.shape, one.dtype) == (two.shape, two.dtype)
