"""What the compiled rollout holds on the device: how tokens are drawn, each row's state, what was written."""

from dataclasses import dataclass, fields

from torch import Tensor

SPARE = 8  # columns that no view has: to the compiler one that held all would be of another kind, to be compiled anew


@dataclass(frozen=True)
class WrittenTokens:
    """The tokens of one completion, and how likely each was."""

    ids: list[int]  # the end of the turn included
    logprobs: list[float]  # a token, in nats, of the distribution at the temperature, before top_p


@dataclass(frozen=True)
class Draw:
    """How a token is chosen."""

    temperature: float  # 0: the likeliest
    top_p: float
    ends: tuple[int, ...]
    pad: int


@dataclass
class State:
    """What a rollout knows of each row, (rows, ...), in place for the graphs; `views` are its first rows."""

    token: Tensor  # the last drawn
    position: Tensor  # of that token
    done: Tensor
    bias: Tensor  # (rows, 1, 1, length): 0 where the cache holds a token of the row, -inf elsewhere
    ids: Tensor  # (rows, tokens)
    logprobs: Tensor  # (rows, tokens)
    where: Tensor  # the cache's next column, (1,)
    step: Tensor  # tokens drawn, (1,)
    keys: list[Tensor]  # a layer's (rows, groups, length, width)
    values: list[Tensor]

    @property
    def length(self) -> int:
        """Columns of the cache that may hold tokens."""
        return self.bias.shape[-1] - SPARE

    def views(self, rows: int, length: int) -> "State":
        """The first rows and the first `length` columns, as views: what is written into them stands here."""
        cut = {f.name: getattr(self, f.name)[:rows] for f in fields(self)[:6]}
        cut["bias"] = cut["bias"][..., :length]
        caches = [[c[:rows, :, :length] for c in cache] for cache in (self.keys, self.values)]
        return State(**cut, where=self.where, step=self.step, keys=caches[0], values=caches[1])

    def keep(self, rows: Tensor) -> None:
        """Move these rows to the front."""
        for tensor in (*(getattr(self, f.name) for f in fields(self)[:6]), *self.keys, *self.values):
            tensor[: len(rows)] = tensor[rows]

    def small(self) -> list[Tensor]:
        """The tensors without the cache, which may be kept aside while a graph is captured."""
        return [getattr(self, f.name) for f in fields(self)[:8]]
