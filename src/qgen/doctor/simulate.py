"""A stage's memory without its weights: the real model, adapter and losses are run on tensors that hold no numbers.

Two layers tell of any depth: what a layer keeps for the backward pass, the caches and the weights grow linearly with
the number of layers, and the rest does not depend on it. What is counted are the bytes of live tensor storages, in the
allocator's units, as PyTorch's dispatcher sees them come and go. See `torch._subclasses.fake_tensor`.

On a GPU the stock model's peaks are met within a tenth, where a batch holds the longest row. Unsloth's compiled layers
take less than is simulated, by a factor between 1.1 and 3.7 that depends on the model's shape and the batch (docs,
"Memory"): no coefficient measured on one of them would serve another.
"""

import copy
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from peft.tuners.lora.layer import LoraLayer
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, DynamicCache, PretrainedConfig
from trl.trainer.sft_trainer import _CHUNKED_LM_HEAD_CHUNK_SIZE, _chunk
from trl.trainer.utils import entropy_from_logits, selective_log_softmax

from qgen.doctor.byte_counter import ByteCounter
from qgen.doctor.four_bits import Quantized, quantize
from qgen.engine.rollout import draw
from qgen.models.model import lora
from qgen.settings.model import ModelConfig
from qgen.settings.sampling import SamplingConfig


@dataclass(frozen=True)
class Peak:
    """The most that a phase holds, in bytes above what is resident anyway.

    Attributes:
        saved: what the layers save for the backward pass, or a cache.
        top: the most beside it while the logits, the loss and its gradient are computed, or a token is drawn.
        layer: the most beside it while a layer is computed, or its gradient.
    """

    saved: float
    top: float
    layer: float

    @property
    def total(self) -> float:
        """Bytes at the worst moment: the layers' part, and the larger of the two others, which never meet."""
        return self.saved + max(self.top, self.layer)

    def with_layers(self, other: "Peak", layers: int) -> "Peak":
        """The peak of a model of `layers`, from that of one layer, which this is, and that of two."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("saved", "top", "layer"))
        return Peak(*(one + (layers - 1) * (two - one) for one, two in pairs))


@dataclass(frozen=True)
class Resident:
    """Bytes that are held throughout a stage."""

    weights: float
    adapter: float
    merged: float  # a copy of those weights that the adapter changes, taken while a model without quantization writes
    linear: float  # the weights of all the layers' matrices, at two bytes each

    def with_layers(self, other: "Resident", layers: int) -> "Resident":
        """What a model of `layers` layers holds, from that of one layer, which this is, and that of two."""
        pairs = ((one, getattr(other, name)) for name, one in vars(self).items())
        return Resident(*(one + (layers - 1) * (two - one) for one, two in pairs))


class Twin:
    """The policy of a config, of so many layers, on tensors without numbers.

    Args:
        shape: the architecture.
        dtype: of the weights; where it has 16 bits, the forward pass runs under autocast, as the Trainer has it.
        gradients: whether those of the adapter are there before the step, as in all but the first of accumulated ones.
    """

    def __init__(self, shape: PretrainedConfig, config: ModelConfig, dtype: torch.dtype, layers: int, gradients: bool):
        self.shape, self.dtype = _shallow(shape, layers), dtype
        with torch.device("meta"):
            base = AutoModelForCausalLM.from_config(
                self.shape, dtype=dtype, attn_implementation=config.attn_implementation
            )
            self.model: PeftModel = get_peft_model(base, lora(config))
        self.base: Any = self.model.get_base_model()
        if config.load_in_4bit:
            quantize(self.model, torch.float32 if dtype is torch.float16 else torch.bfloat16)
        self.model.train()
        if config.gradient_checkpointing:
            self.model.gradient_checkpointing_enable()
            self.model.enable_input_require_grads()
        self.quantized = config.load_in_4bit
        self.gradients = gradients

    def resident(self) -> Resident:
        """Bytes of the weights by what they are, counted over this twin's layers."""
        parameters = {id(p): p for p in self.model.parameters()}.values()
        wrapped = [m.get_base_layer().get_parameter("weight") for m in self.model.modules() if isinstance(m, LoraLayer)]
        head = self.base.get_output_embeddings()
        matrices = [m for m in self.model.modules() if isinstance(m, torch.nn.Linear | Quantized) and m is not head]
        inner = [m for m in matrices if not any(p.requires_grad for p in m.parameters())]
        return Resident(
            weights=sum(p.nbytes for p in parameters if not p.requires_grad),
            adapter=sum(p.nbytes for p in parameters if p.requires_grad),
            merged=0 if self.quantized else sum(w.nbytes for w in wrapped),
            linear=2 * sum(m.in_features * m.out_features for m in inner),
        )

    @contextmanager
    def counted(self):
        """The model on fake tensors, and the counter that has counted what is resident."""
        with FakeTensorMode(allow_non_fake_inputs=True), ByteCounter() as counter:
            _materialize(self.model, self.gradients)
            counter.start()
            yield counter

    def autocast(self) -> torch.autocast:
        """The context in which the Trainer runs a forward pass of this dtype; it does nothing in float32."""
        return torch.autocast("cpu", dtype=self.dtype, enabled=self.dtype is not torch.float32)

    def sft(self, rows: int, width: int) -> Peak:
        """A training step on rows of `width` tokens, under TRL's loss by chunks of tokens."""

        def loss(ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, Callable]:
            base = self.base
            with self.autocast():
                decoder = base.get_decoder()
                hidden = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

            def rest() -> Any:
                with self.autocast():
                    packed = hidden.flatten(0, 1)[torch.zeros(rows * width, dtype=torch.long)]
                    labels, total, size = ids.flatten(), 0.0, _CHUNKED_LM_HEAD_CHUNK_SIZE
                    for start in (0, size):  # all chunks are alike
                        part = packed[start : start + size], base.get_output_embeddings().weight
                        total += checkpoint(
                            _chunk, *part, None, labels[start : start + size], 1.0, None, use_reentrant=False
                        )[0]
                    return total

            return hidden, rest

        return self._step(rows, width, loss)

    def grpo(self, rows: int, width: int, completion: int) -> Peak:
        """A training step on rows of `width` tokens, the last `completion` of which were written by the policy."""

        def loss(ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, Callable]:
            base = self.base
            with self.autocast():
                hidden = base.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

            def rest() -> torch.Tensor:
                with self.autocast():
                    logits = base.get_output_embeddings()(hidden[:, -completion - 1 :])
                output = logits = logits.float()  # accelerate gives 32 bits back
                logits = logits[:, :-1, :][:, -completion:, :] / 1.0  # the temperature
                chosen = selective_log_softmax(logits, ids[:, -completion:])
                with torch.no_grad():
                    entropy_from_logits(logits.flatten(0, 1)[:256])  # by chunks of 128, which are alike
                del output
                return chosen.mean()

            return hidden, rest

        return self._step(rows, width, loss)

    def _step(self, rows: int, width: int, loss: Callable) -> Peak:
        with self.counted() as counter:
            ids, mask = (torch.ones(rows, width, dtype=torch.long) for _ in range(2))
            hidden, rest = loss(ids, mask)
            kept, computing = counter.live, counter.peak
            counter.start(zero=False)
            top: list[int] = []
            hidden.register_hook(lambda gradient: top.append(counter.peak))
            del hidden
            value = rest()
            del rest
            counter.backward = True
            value.backward()
            return Peak(kept, top[0] - kept, max(computing, counter.peak if counter.peak > top[0] else 0) - kept)

    def writing(self, rows: int, prompt: int, new: int, sampling: SamplingConfig) -> Peak:
        """Completions of `new` tokens each, written for prompts of `prompt` tokens at once."""
        self.model.eval()
        with self.counted() as counter, torch.no_grad(), self.autocast():
            cache = self._read(rows, prompt, DynamicCache(config=self.shape))
            reading = counter.peak
            del cache
            cache = self._read(rows, prompt + new - 1, DynamicCache(config=self.shape))
            kept = counter.live
            counter.start(zero=False)
            ids, mask = torch.ones(rows, 1, dtype=torch.long), torch.ones(rows, prompt + new, dtype=torch.long)
            logits = self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, logits_to_keep=1).logits
            draw(logits[:, -1].float(), torch.rand(rows), sampling)
        self.model.train()
        return Peak(kept, counter.peak - kept, reading - kept)

    def _read(self, rows: int, width: int, cache: DynamicCache) -> DynamicCache:
        ids, mask = (torch.ones(rows, width, dtype=torch.long) for _ in range(2))
        self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, logits_to_keep=1)
        return cache

    def heldout(self, rows: int, width: int) -> Peak:
        """The loss of real problems, as metrics/loss.py computes it."""
        self.model.eval()
        with self.counted() as counter, torch.no_grad():
            ids, mask = (torch.ones(rows, width, dtype=torch.long) for _ in range(2))
            with self.autocast():
                logits = self.model(input_ids=ids, attention_mask=mask).logits
            logits = logits.float()
            cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum")
        self.model.train()
        return Peak(0, counter.peak, 0)


def _materialize(model: PeftModel, gradients: bool) -> None:
    """Exchange all tensors for fake ones on the CPU, of which autocast takes note, as it does not of meta ones."""
    made: dict[int, tuple] = {}
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, old in tensors.items():
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.empty(old.shape, dtype=old.dtype, device="cpu")
                    if isinstance(old, torch.nn.Parameter):
                        new = torch.nn.Parameter(new, requires_grad=old.requires_grad)
                        new.grad = torch.empty_like(new) if gradients and new.requires_grad else None
                    made[id(old)] = (old, new)  # old as well, lest its id be given again
                tensors[name] = made[id(old)][1]


def _shallow(shape: PretrainedConfig, layers: int) -> PretrainedConfig:
    shape = copy.deepcopy(shape)
    shape.num_hidden_layers = layers
    if getattr(shape, "layer_types", None):
        shape.layer_types = shape.layer_types[:layers]
    return shape
