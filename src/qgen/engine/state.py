"""What the compiled rollout holds on the device: each row's state, and what was written."""

from dataclasses import dataclass, fields

from torch import Tensor


@dataclass(frozen=True)
class WrittenTokens:
    """The tokens of one completion, and how likely each was."""

    ids: list[int]  # the end of the turn included
    logprobs: list[float]  # a token, in nats, of the distribution at the temperature, before top_p


@dataclass
class State:
    """What a rollout knows of each row, (rows, ...), in place for the graphs; `first` are its first rows."""

    token: Tensor  # the last drawn
    position: Tensor  # of the last token that was read: its column of the cache
    step: Tensor  # tokens drawn
    limit: Tensor  # of them, at which it ends whatever it writes
    done: Tensor
    ids: Tensor  # (rows, tokens + 1)
    logprobs: Tensor  # (rows, tokens + 1)
    keys: list[Tensor]  # a layer's (rows, groups, length, width)
    values: list[Tensor]

    def first(self, rows: int) -> "State":
        """The first rows, as views: what is written into them stands here."""
        return State(**{f.name: _each(getattr(self, f.name), slice(rows)) for f in fields(self)})

    def keep(self, rows: Tensor) -> None:
        """Move these rows to the front."""
        for tensor in (*self.small(), *self.keys, *self.values):
            tensor[: len(rows)] = tensor[rows]

    def small(self) -> list[Tensor]:
        """The tensors without the cache, which may be kept aside while a graph is captured."""
        return [getattr(self, f.name) for f in fields(self)[:7]]


def _each(held, rows: slice):
    return [tensor[rows] for tensor in held] if isinstance(held, list) else held[rows]
