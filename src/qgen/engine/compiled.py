"""Completions from a merged copy of the policy: static cache, compiled layers, a CUDA graph for each number of rows.

On a GPU a token is one graph launch: layers, sampling and bookkeeping stand inside. A row that has ended makes room for
the next prompt, and once no prompt waits the rows that write on move to a smaller graph. Equal prompts that begin
together are read once. Without a GPU the same steps run as they are, for tests.
"""

import copy
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import linear
from transformers import PreTrainedModel

from qgen.engine import decoder
from qgen.engine.compiling import compile_choice, compile_layer
from qgen.engine.decoder import Decoder, rms
from qgen.engine.draw import Draw, choose, ends
from qgen.engine.state import State, WrittenTokens
from qgen.settings.sampling import SamplingConfig

LOOK = 16  # tokens between looks at which rows have ended: each waits for the GPU
BUCKET = 128  # the cache's columns are a multiple of it
SMALLEST = 4  # rows of the smallest graph
READ = 32768  # tokens of prompts that are read at once, padding included


class CompiledWriter:
    """Writes completions from its copy of a policy.

    Args:
        policy: the model; see Decoder.
        ends: tokens that end a turn.
        pad: the token that rows are padded with.
        resident: hold the copy between rollouts, rather than only while one is written.
        compile_layers: join a layer's small operations into few kernels; None does so on a GPU.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        ends: set[int],
        pad: int,
        int8: bool = False,
        resident: bool = True,
        compile_layers: bool | None = None,
    ):
        self.decoder = Decoder(policy, int8)
        self.resident = resident
        self.ends, self.pad = tuple(sorted(ends)), pad
        self.cuda = self.decoder.device.type == "cuda"
        compiled = self.cuda if compile_layers is None else compile_layers
        self.layer = compile_layer() if compiled else decoder.write
        self.choose = compile_choice() if self.cuda else choose
        self.state: State | None = None
        self.copied: list = []  # what the graphs read
        self.graphs: dict[tuple, torch.cuda.CUDAGraph] = {}
        self.pool = torch.cuda.graph_pool_handle() if self.cuda else None

    def twin(self) -> "CompiledWriter":
        """Another writer from the same copy, with a cache and graphs of its own: for rollouts of another shape."""
        other = copy.copy(self)
        other.state, other.graphs = None, {}
        other.pool = torch.cuda.graph_pool_handle() if self.cuda else None
        return other

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Take the policy's weights over as they are now, and if the copy is not to stay, give it back at the end."""
        self.decoder.refresh()
        try:
            yield
        finally:
            if not self.resident:
                self.release()  # before the weights that the graphs read
                self.decoder.release()

    @torch.no_grad()
    def write(
        self,
        prompts: list[list[int]],
        sampling: SamplingConfig,
        at_once: int | None = None,
        wrote: Callable[[int, WrittenTokens], None] = lambda number, tokens: None,
    ) -> list[WrittenTokens]:
        """One completion a prompt (its token ids), in their order, drawn with torch's random numbers of the device.

        Its copy is as old as its last refresh. Prompts that are equal do best side by side.

        Args:
            at_once: rows that write together, rounded up to a size of `ladder`; None: one for each prompt.
            wrote: is called with each prompt's number and its completion as soon as that has ended.

        Raises RuntimeError where it holds no copy.
        """
        if not self.decoder.layers:
            raise RuntimeError("there is no copy to write from: write within fresh()")
        if not prompts:
            return []
        draw = Draw(sampling.temperature, sampling.top_p, self.ends, self.pad)
        most = count = ladder(min(len(prompts), at_once or len(prompts)))
        state = self._room(most, max(map(len, prompts)) + sampling.max_new_tokens, sampling.max_new_tokens)
        state.done.fill_(True)
        state.limit.fill_(sampling.max_new_tokens)
        waiting = deque(range(len(prompts)))
        holds: dict[int, int] = {}  # which prompt each row of the state writes on
        found: dict[int, WrittenTokens] = {}
        while holds or waiting:
            done = state.done[:count].tolist()
            ended = [row for row in holds if done[row]]
            numbers = {row: holds.pop(row) for row in ended}
            self._collect(state, numbers, found)
            if free := [row for row in range(count) if row not in holds][: len(waiting)]:
                holds |= {row: waiting.popleft() for row in free}
                self._read(state, {row: prompts[holds[row]] for row in free}, draw)
            elif holds and (size := self._size(len(holds), most)) < count:
                going = sorted(holds)
                state.keep(torch.tensor(going + [row for row in range(count) if row not in holds], device=self._device))
                holds, count = {row: holds[was] for row, was in enumerate(going)}, size
            for _ in range(min(LOOK, sampling.max_new_tokens - 1) if holds else 0):
                self._step(state, count, draw)
            for number in numbers.values():  # while the GPU takes the steps that were launched
                wrote(number, found[number])
        return [found[i] for i in range(len(prompts))]

    def release(self) -> None:
        """Give the cache and the graphs back; the copy stays."""
        self.state = None
        self._forget()

    def _forget(self) -> None:
        """Give the graphs back. A pool whose graphs are all gone takes no other: PyTorch's allocator asserts that."""
        self.graphs.clear()
        self.pool = torch.cuda.graph_pool_handle() if self.cuda else None

    @property
    def _device(self) -> torch.device:
        return self.decoder.device

    def _size(self, going: int, most: int) -> int:
        """Rows of the smallest graph that holds those that write: halves of the most, so that few are captured."""
        size = most
        while size // 2 >= max(going, SMALLEST):
            size = -(-size // 2)
        return size

    def _room(self, rows: int, length: int, tokens: int) -> State:
        """A state that holds so many rows, anew where the last does not, and graphs of the copy that is there."""
        if self.copied is not self.decoder.layers:  # whose weights a twin may have given back
            self._forget()
            self.copied = self.decoder.layers
        wanted = (rows, tokens + 1, -(-length // BUCKET) * BUCKET)
        state = self.state
        held = (0, 0, 0) if state is None else (*state.ids.shape, state.keys[0].shape[2])
        if state is None or any(w > h for w, h in zip(wanted, held, strict=True)):
            self.release()
            del state  # before there is another: two caches may be more than fits
            rows, tokens, length = map(max, wanted, held)
            shape, dtype = self.decoder.shape, self.decoder.dtype
            new = lambda *size, dtype=torch.long: torch.zeros(size, dtype=dtype, device=self._device)  # noqa: E731
            cache = [[new(rows, shape.groups, length, shape.width, dtype=dtype) for _ in self.decoder.layers]
                     for _ in range(2)]  # fmt: skip
            state = self.state = State(
                token=new(rows), position=new(rows), step=new(rows), limit=new(rows), done=new(rows, dtype=torch.bool),
                ids=new(rows, tokens), logprobs=new(rows, tokens, dtype=torch.float32), keys=cache[0], values=cache[1],
            )  # fmt: skip
            self.cos, self.sin = self.decoder.rotations(length)
        return state

    def _read(self, state: State, prompts: dict[int, list[int]], draw: Draw) -> None:
        """Read a prompt into each of these rows of the state, equal ones once, and draw the rows' first tokens."""
        rows_of: dict[tuple[int, ...], list[int]] = {}
        for row, prompt in prompts.items():
            rows_of.setdefault(tuple(prompt), []).append(row)
        for part in parts(sorted(rows_of, key=len)):
            longest = len(part[-1])
            padded = [[*prompt, *[self.pad] * (longest - len(prompt))] for prompt in part]
            new = lambda numbers: torch.tensor(numbers, device=self._device)  # noqa: E731
            rows = new([row for prompt in part for row in rows_of[prompt]])
            of = new([i for i, prompt in enumerate(part) for _ in rows_of[prompt]])
            last = new([len(prompt) - 1 for prompt in part])
            x = self.decoder.embedding[new(padded)]
            for weights, keys, values in zip(self.decoder.layers, state.keys, state.values, strict=True):
                x, k, v = decoder.read(x, weights, self.decoder.shape, self.cos[:longest], self.sin[:longest])
                keys[rows, :, :longest], values[rows, :, :longest] = k[of], v[of]
            token, logprob = choose(self._logits(x[torch.arange(len(part)), last])[of], draw)
            state.token[rows], state.position[rows], state.step[rows] = token, last[of], 1
            state.ids[rows, 0], state.logprobs[rows, 0] = token, logprob
            state.done[rows] = ends(token, draw) | (state.limit[rows] <= 1)

    def _step(self, state: State, rows: int, draw: Draw) -> None:
        """The next token of the first rows."""
        first = state.first(rows)
        if not self.cuda:
            self._next(first, draw)
            return
        key = (rows, draw)
        if key not in self.graphs:
            before = [tensor.clone() for tensor in first.small()]
            with torch.random.fork_rng([self._device]), _alone():  # a seed's draws are those of later rollouts
                self._next(first, draw)  # compiles, and lets the libraries choose their kernels
            for tensor, was in zip(first.small(), before, strict=True):
                tensor.copy_(was)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool):
                self._next(first, draw)
            self.graphs[key] = graph  # once it is whole
        self.graphs[key].replay()

    def _next(self, state: State, draw: Draw) -> None:
        """Read each row's last token and draw the one after it; a row that has ended stays as it is."""
        going = ~state.done
        state.position.add_(going)
        cos, sin = self.cos[state.position][:, None, None], self.sin[state.position][:, None, None]
        x = self.decoder.embedding[state.token[:, None]]  # not a view, as no other layer's input is
        for weights, keys, values in zip(self.decoder.layers, state.keys, state.values, strict=True):
            x = self.layer(x, weights, self.decoder.shape, keys, values, state.position, cos, sin)
        token, logprob = self.choose(self._logits(x[:, -1]), draw)
        token = token.masked_fill(state.done, draw.pad)
        state.ids.scatter_(1, state.step[:, None], token[:, None])  # a row that was cut off has a column to spare
        state.logprobs.scatter_(1, state.step[:, None], logprob[:, None])
        state.token.copy_(token)
        state.step.add_(going)
        state.done.logical_or_(ends(token, draw)).logical_or_(state.step >= state.limit)

    def _logits(self, x: Tensor) -> Tensor:
        """Of the last layer's output, (rows, hidden)."""
        return linear(rms(x, self.decoder.norm, self.decoder.shape.eps), self.decoder.head)

    def _collect(self, state: State, ended: dict[int, int], found: dict[int, WrittenTokens]) -> None:
        """Take down what these rows have written, as the prompts' that they held."""
        rows = torch.tensor(list(ended), dtype=torch.long, device=self._device)
        written = zip(ended.values(), state.step[rows].tolist(), state.ids[rows].tolist(),
                      state.logprobs[rows].tolist(), strict=True)  # fmt: skip
        for prompt, steps, ids, logprobs in written:
            found[prompt] = WrittenTokens(ids[:steps], logprobs[:steps])


def parts(prompts: list[tuple[int, ...]]) -> Iterator[list[tuple[int, ...]]]:
    """Prompts, the shortest first, in parts of at most READ tokens."""
    part: list[tuple[int, ...]] = []
    for prompt in prompts:
        if part and (len(part) + 1) * len(prompt) > READ:
            yield part
            part = []
        part.append(prompt)
    if part:
        yield part


def ladder(rows: int) -> int:
    """The least of 4, 6, 8, 12, 16, 24, ... that holds so many rows: few sizes, so that graphs are used again."""
    size = SMALLEST
    while size < rows:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def ended(ids: list[int], ends: Collection[int]) -> list[int]:
    """Tokens up to and with the first that ends a turn."""
    return ids[: next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))]


@contextmanager
def _alone() -> Iterator[None]:
    """Work on a stream of its own, as a capture asks of what runs before it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)
