"""Completions from a merged copy of the policy: static cache, compiled layers, a CUDA graph for each shape.

On a GPU a token is one graph launch: layers, sampling and bookkeeping stand inside. Rows that have ended leave when a
smaller graph holds those that write on. Without a GPU the same steps run as they are, for tests.
"""

import copy
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.fx.experimental import _config as symbolic_shapes
from torch.nn.functional import linear
from transformers import PreTrainedModel
from transformers.generation import TopPLogitsWarper

from qgen.engine.decoder import Decoder, layer, rms
from qgen.engine.state import SPARE, Draw, State, WrittenTokens
from qgen.settings.sampling import SamplingConfig

LOOK = 16  # tokens between looks at which rows have ended: each waits for the GPU
BUCKET = 128  # columns of the cache: the attention of a token reads the least multiple that holds it
SMALLEST = 4  # rows of the smallest graph


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
        self.layer = compile_layer() if compiled else layer
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
    def write(self, prompts: list[list[int]], sampling: SamplingConfig) -> list[WrittenTokens]:
        """One completion a prompt (its token ids), in their order, drawn with torch's random numbers of the device.

        Its copy is as old as its last refresh. Raises RuntimeError where it holds none.
        """
        if not self.decoder.layers:
            raise RuntimeError("there is no copy to write from: write within fresh()")
        draw = Draw(sampling.temperature, sampling.top_p, self.ends, self.pad)
        tokens = sampling.max_new_tokens
        longest = max(map(len, prompts))
        all_rows = ladder(len(prompts))
        state = self._room(all_rows, longest + tokens, tokens)
        found: dict[int, WrittenTokens] = {}
        rows = list(range(len(prompts)))  # which prompt each row of the state is
        count = all_rows
        self._prefill(state.views(count, state.length), prompts, draw)
        for step in range(1, tokens):
            if step % LOOK == 0:
                going = (~state.done[: len(rows)]).nonzero()[:, 0].tolist()
                if not going:
                    break
                size = self._size(len(going), all_rows)
                if size < count:
                    left = set(range(count)) - set(going)
                    self._collect(state, rows, found, left & set(range(len(rows))))
                    spare = sorted(left)[: size - len(going)]
                    state.keep(torch.tensor(going + spare, device=state.token.device))
                    state.done[len(going) : size] = True
                    rows, count = [rows[i] for i in going], size
            length = min(-(-(longest + step) // BUCKET) * BUCKET, state.length)
            self._step(state, count, length, draw)
        self._collect(state, rows, found, set(range(len(rows))))
        return [found[i] for i in range(len(prompts))]

    def release(self) -> None:
        """Give the cache and the graphs back; the copy stays."""
        self.state = None
        self.graphs.clear()
        self.pool = torch.cuda.graph_pool_handle() if self.cuda else None

    def _size(self, going: int, all_rows: int) -> int:
        """Rows of the smallest graph that holds those that write: halves of all, so that few are captured."""
        size = all_rows
        while size // 2 >= max(going, SMALLEST):
            size = -(-size // 2)
        return size

    def _room(self, rows: int, length: int, tokens: int) -> State:
        """A state that holds so many rows, anew where the last does not, and graphs of the copy that is there."""
        if self.copied is not self.decoder.layers:  # whose weights a twin may have given back
            self.graphs.clear()
            self.copied = self.decoder.layers
        wanted = (rows, tokens, -(-length // BUCKET) * BUCKET)
        state = self.state
        held = (0, 0, 0) if state is None else (*state.ids.shape, state.length)
        if state is None or any(w > h for w, h in zip(wanted, held, strict=True)):
            self.release()
            rows, tokens, length = map(max, wanted, held)
            columns = length + SPARE
            decoder, shape = self.decoder, self.decoder.shape
            new = lambda *size, dtype=torch.long: torch.zeros(size, dtype=dtype, device=decoder.device)  # noqa: E731
            cache = [[new(rows, shape.groups, columns, shape.width, dtype=decoder.dtype) for _ in decoder.layers]
                     for _ in range(2)]  # fmt: skip
            state = self.state = State(
                token=new(rows), position=new(rows), done=new(rows, dtype=torch.bool),
                bias=new(rows, 1, 1, columns, dtype=decoder.dtype), ids=new(rows, tokens),
                logprobs=new(rows, tokens, dtype=torch.float32), where=new(1), step=new(1),
                keys=cache[0], values=cache[1],
            )  # fmt: skip
            self.cos, self.sin = decoder.rotations(length)
        return state

    def _prefill(self, state: State, prompts: list[list[int]], draw: Draw) -> None:
        """Read the prompts, padded on the left, and draw each row's first token."""
        longest, count = max(map(len, prompts)), len(state.token)
        padded = [[self.pad] * (longest - len(p)) + p for p in prompts] + [[self.pad] * longest] * (
            count - len(prompts)
        )
        ids = torch.tensor(padded, device=state.token.device)
        lengths = torch.tensor([len(p) for p in prompts] + [1] * (count - len(prompts)), device=ids.device)
        columns = torch.arange(longest, device=ids.device)
        held = columns >= longest - lengths[:, None]
        seen = (held[:, None] & (columns[:, None] >= columns)) | torch.eye(longest, dtype=torch.bool, device=ids.device)
        state.bias.fill_(-torch.inf)
        state.bias[..., :longest].masked_fill_(held[:, None, None], 0)
        state.position.copy_(lengths - 1)
        state.where.fill_(longest)
        state.step.zero_()
        state.done.fill_(False)
        state.done[len(prompts) :] = True
        state.ids.fill_(draw.pad)
        wide = torch.zeros(seen.shape, dtype=state.bias.dtype, device=ids.device).masked_fill_(~seen, -torch.inf)
        positions = (columns - (longest - lengths)[:, None]).clamp(min=0)
        x = self.decoder.embedding[ids]
        for weights, keys, values in zip(self.decoder.layers, state.keys, state.values, strict=True):
            x = layer(
                x, weights, self.decoder.shape, keys[:, :, :longest], values[:, :, :longest], wide[:, None],
                self.cos[positions][:, None], self.sin[positions][:, None], columns,
            )  # fmt: skip
        self._draw(state, x[:, -1], draw)

    def _step(self, state: State, rows: int, length: int, draw: Draw) -> None:
        """The next token of the first rows."""
        views = state.views(rows, length)
        if not self.cuda:
            self._next(views, draw)
            return
        key = (rows, length, draw)
        if key not in self.graphs:
            before = [tensor.clone() for tensor in state.small()]
            with torch.random.fork_rng([self.decoder.device]), _alone():  # a seed's draws are those of later rollouts
                self._next(views, draw)  # compiles, and lets the libraries choose their kernels
            for tensor, was in zip(state.small(), before, strict=True):
                tensor.copy_(was)
            self.graphs[key] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graphs[key], pool=self.pool):
                self._next(views, draw)
        self.graphs[key].replay()

    def _next(self, state: State, draw: Draw) -> None:
        state.position.add_(1)
        state.bias.index_fill_(3, state.where, 0)
        cos, sin = self.cos[state.position][:, None, None], self.sin[state.position][:, None, None]
        x = self.decoder.embedding[state.token[:, None]]  # not a view, as no other layer's input is
        for weights, keys, values in zip(self.decoder.layers, state.keys, state.values, strict=True):
            x = self.layer(x, weights, self.decoder.shape, keys, values, state.bias, cos, sin, state.where)
        state.where.add_(1)
        self._draw(state, x[:, -1], draw)

    def _draw(self, state: State, x: Tensor, draw: Draw) -> None:
        """Choose a token a row from the last layer's output, (rows, hidden), and write it down."""
        logits = linear(rms(x, self.decoder.norm, self.decoder.shape.eps), self.decoder.head).float()
        if draw.temperature:
            logits = logits / draw.temperature
        score = TopPLogitsWarper(draw.top_p)(None, logits) if draw.top_p < 1 else logits
        if draw.temperature:  # the Gumbel-max trick (arXiv:1611.01144): argmax of log p + Gumbel noise is a draw of p
            score = score - torch.empty_like(score).exponential_().log_()
        token = score.argmax(-1).masked_fill(state.done, draw.pad)
        logprob = logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(-1)
        state.ids.index_copy_(1, state.step, token[:, None])
        state.logprobs.index_copy_(1, state.step, logprob[:, None])
        state.token.copy_(token)
        for end in draw.ends:
            state.done.logical_or_(token == end)
        state.step.add_(1)

    def _collect(self, state: State, rows: list[int], found: dict[int, WrittenTokens], which: set[int]) -> None:
        """Take down what these rows of the state have written."""
        steps = int(state.step)
        ids, logprobs = state.ids[: len(rows), :steps].tolist(), state.logprobs[: len(rows), :steps].tolist()
        for i in which:
            written = ended(ids[i], self.ends)
            found[rows[i]] = WrittenTokens(written, logprobs[i][: len(written)])


def ladder(rows: int) -> int:
    """The least of 4, 6, 8, 12, 16, 24, ... that holds so many rows: few sizes, so that graphs are used again."""
    size = SMALLEST
    while size < rows:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def ended(ids: list[int], ends: Collection[int]) -> list[int]:
    """Tokens up to and with the first that ends a turn."""
    return ids[: next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))]


def compile_layer() -> Callable:
    """`layer` as one compiled function for all numbers of rows and lengths of the cache (8 bits: two, by Int8.times).

    Only those two are told to be of any size: with `dynamic=True` the compiler reasons about every other one too, and
    starts over at the floats. On one H100 80GB a first rollout of 135M took 21.1 s so and takes 9.0, beside an earlier
    job's caches 18.5 and 3.8 (benchmarks/results/rollout/h100_compile.txt).
    """
    compiled = torch.compile(layer)

    def run(x, weights, shape, keys, values, bias, cos, sin, where):
        any_size = torch._dynamo.maybe_mark_dynamic
        for tensor in (x, keys, values, bias, cos, sin):
            any_size(tensor, 0)  # rows
        for tensor, columns in ((keys, 2), (values, 2), (bias, 3)):
            any_size(tensor, columns)
        # two sizes that are equal today need not be tomorrow; torch gives such modules their patch when it runs
        with symbolic_shapes.patch(use_duck_shape=False):  # type: ignore[attr-defined]
            return compiled(x, weights, shape, keys, values, bias, cos, sin, where)

    return run


@contextmanager
def _alone() -> Iterator[None]:
    """Work on a stream of its own, as a capture asks of what runs before it."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream().wait_stream(stream)
