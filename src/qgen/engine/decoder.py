"""A copy of the policy that only writes: the adapter merged, a layer's projections joined, a token a call.

Generation in GRPO is bound by launches, not by memory or arithmetic: PEFT's layers and transformers' `generate` start
some two thousand kernels a token. The copy needs a dozen a layer, in a form that CUDA graphs can hold.
"""

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu
from transformers import PreTrainedModel

from qgen.engine.attend import attend
from qgen.engine.int8 import Int8

ARCHITECTURES = ("llama", "qwen2", "qwen3")  # whose layers are what `read` and `write` compute


@dataclass
class Layer:
    """One layer's weights, matrices as (out, in). Those of queries, keys and values stand one below the other, and so
    do gate and up: a product each."""

    before: Tensor
    qkv: Tensor | Int8
    bias: Tensor | None
    q_norm: Tensor | None
    k_norm: Tensor | None
    out: Tensor | Int8
    after: Tensor
    gate_up: Tensor | Int8
    down: Tensor | Int8


@dataclass(frozen=True)
class Shape:
    """What the layers of a model have in common."""

    heads: int
    groups: int  # key-value heads
    width: int  # of a head
    scale: float
    eps: float


class Decoder:
    """The merged copy of a policy. `refresh` takes the policy's weights over as they are now, and `release` gives the
    copy's memory back until then.

    Args:
        policy: a causal model of ARCHITECTURES, with LoRA layers or without, in 4 bits or not. Adapters may be put on
            and taken off later: the next refresh follows.
        int8: keep the layers' matrices in 8 bits, a scale a row: half the memory and half the reading of bfloat16, and
            an error of up to 1/254 of a row's largest weight.

    Raises RuntimeError for a model that is not of ARCHITECTURES.
    """

    def __init__(self, policy: PreTrainedModel, int8: bool = False):
        config = policy.config
        reason = unsupported(config)
        if reason:
            raise RuntimeError(f"model.rollout=compiled: {reason}; set model.rollout=generate")
        causal = policy.get_base_model() if hasattr(policy, "get_base_model") else policy
        body = causal.model
        width = head_width(config)
        self.shape = Shape(
            config.num_attention_heads, config.num_key_value_heads, width, width**-0.5, config.rms_norm_eps
        )
        self.body, self.int8 = body, int8
        self.embedding, self.head, self.norm = body.embed_tokens.weight, causal.lm_head.weight, body.norm.weight
        self.dtype, self.device = self.embedding.dtype, self.embedding.device
        self.layers: list[Layer] = []
        self.plain: set[nn.Module] = set()  # projections without an adapter, which the copy holds

    @torch.no_grad()
    def refresh(self) -> None:
        """Merge the policy's weights into the copy: all at first, later those that have an adapter or had one."""
        held, self.plain = self.plain, set()
        self.layers = self.layers or [self._layer(source) for source in self.body.layers]
        for layer, source in zip(self.layers, self.body.layers, strict=True):
            attention, mlp = source.self_attn, source.mlp
            for target, parts in (
                (layer.qkv, (attention.q_proj, attention.k_proj, attention.v_proj)),
                (layer.out, (attention.o_proj,)),
                (layer.gate_up, (mlp.gate_proj, mlp.up_proj)),
                (layer.down, (mlp.down_proj,)),
            ):
                row = 0
                for part in parts:
                    if not isinstance(part, LoraLayer):
                        self.plain.add(part)
                    if part not in held:
                        rows = slice(row, row + part.out_features)
                        if isinstance(target, Int8):
                            target.store(merged(part, self.dtype), rows)
                        else:
                            merged(part, self.dtype, target[rows])
                    row += part.out_features

    def release(self) -> None:
        """Give the copied weights back; `refresh` makes them anew."""
        self.layers.clear()  # who holds the list has nothing then, and `refresh` makes another
        self.plain = set()

    def rotations(self, length: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the positions 0 to length - 1, each of shape (length, head width)."""
        positions = torch.arange(length, device=self.device)[None]
        cos, sin = self.body.rotary_emb(self.embedding[:1, :1], positions)
        return cos[0].contiguous(), sin[0].contiguous()

    def _layer(self, source: Any) -> Layer:
        attention, mlp = source.self_attn, source.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        biases = [bias.detach() for p in projections if (bias := getattr(_base(p), "bias", None)) is not None]

        def room(*parts: Any) -> Tensor | Int8:
            shape = (sum(part.out_features for part in parts), parts[0].in_features)
            return Int8(*shape, self.device) if self.int8 else torch.empty(shape, dtype=self.dtype, device=self.device)

        return Layer(
            before=source.input_layernorm.weight,
            qkv=room(*projections),
            bias=torch.cat(biases).to(self.dtype) if biases else None,
            q_norm=getattr(getattr(attention, "q_norm", None), "weight", None),
            k_norm=getattr(getattr(attention, "k_norm", None), "weight", None),
            out=room(attention.o_proj),
            after=source.post_attention_layernorm.weight,
            gate_up=room(mlp.gate_proj, mlp.up_proj),
            down=room(mlp.down_proj),
        )


def unsupported(config: Any) -> str | None:
    """Why a model of this config cannot be copied; None where it can."""
    if config.model_type not in ARCHITECTURES:
        return f"the architecture {config.model_type} is none of {', '.join(ARCHITECTURES)}"
    if config.hidden_act != "silu":
        return f"hidden_act={config.hidden_act} is not silu"
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or []):
        return "some layers attend to a sliding window"
    return None


def head_width(config: Any) -> int:
    """Of the attention's heads; configs of some architectures leave it to be derived."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def bytes_of(config: Any, int8: bool, itemsize: int) -> int:
    """What a copy's own matrices take; embedding, head and norms are shared with the policy."""
    attention = 2 * (config.num_attention_heads + config.num_key_value_heads) * head_width(config) * config.hidden_size
    parameters = config.num_hidden_layers * (attention + 3 * config.hidden_size * config.intermediate_size)
    return parameters * (1 if int8 else itemsize)


def bytes_of_cache(config: Any, rows: int, length: int, itemsize: int) -> int:
    """What the keys and values of so many rows and columns take."""
    return 2 * config.num_hidden_layers * config.num_key_value_heads * head_width(config) * rows * length * itemsize


def bytes_short(config: Any, itemsize: int, int8: bool, rows: int, length: int, free: int) -> int:
    """Bytes that a copy and its cache lack; 0 where they fit beside a quarter of what is free, which training takes."""
    taken = bytes_of(config, int8, itemsize) + bytes_of_cache(config, rows, length, itemsize)
    return max(0, taken - free * 3 // 4)


def merged(module: Any, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
    """The weight of a linear layer with its active adapters added, of shape (out, in), into `out` where given.

    The sum is W + scaling x B A (LoRA, arXiv:2106.09685), accumulated in float32 and rounded to `dtype` once.
    """
    weight = _base(module).weight
    if hasattr(weight, "quant_state"):
        from bitsandbytes.functional import dequantize_4bit

        plain = dequantize_4bit(weight.data, weight.quant_state).to(dtype)
    else:
        plain = weight.to(dtype)
    out = plain.clone() if out is None else out.copy_(plain)
    if isinstance(module, LoraLayer) and not module.disable_adapters:
        for name in module.active_adapters:
            if name in module.lora_A:
                a, b = (part[name].get_parameter("weight").to(dtype) for part in (module.lora_A, module.lora_B))
                out.addmm_(b, a, alpha=module.scaling[name])
    return out


def read(x: Tensor, weights: Layer, shape: Shape, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One layer for whole prompts, each token of which sees those before it.

    Args:
        x: (rows, tokens, hidden), padded on the right.
        cos, sin: the tokens' rotations, (tokens, head width).

    Returns the shape of x, and the tokens' keys and values, (rows, groups, tokens, head width).
    """
    q, k, v = projections(x, weights, shape, cos, sin)
    each = shape.heads // shape.groups
    wide_k, wide_v = k.repeat_interleave(each, dim=1), v.repeat_interleave(each, dim=1)
    h = scaled_dot_product_attention(q, wide_k, wide_v, is_causal=True, scale=shape.scale)
    return remainder(x, h.transpose(1, 2).flatten(2), weights, shape), k, v


def write(x, weights, shape, keys, values, position, cos, sin):
    """One layer for each row's newest token, whose key and value go into the cache.

    Args:
        x: (rows, 1, hidden).
        keys, values: the cache, (rows, groups, length, head width).
        position: the token's column of the cache, (rows,).
        cos, sin: its rotation, (rows, 1, 1, head width).

    Returns the shape of x.
    """
    q, k, v = projections(x, weights, shape, cos, sin)
    row = torch.arange(len(x), device=x.device)
    keys[row, :, position] = k[:, :, 0]
    values[row, :, position] = v[:, :, 0]
    # a group's heads as so many queries: the cache is read once, and not copied a head
    q = q.reshape(len(x), shape.groups, shape.heads // shape.groups, shape.width)
    h = attend(q, keys, values, position, shape.scale)
    return remainder(x, h.reshape(len(x), 1, -1), weights, shape)


def projections(x, weights, shape, cos, sin):
    """Queries, keys and values of tokens, rotated, each (rows, heads or groups, tokens, head width)."""
    h = multiply(rms(x, weights.before, shape.eps), weights.qkv, weights.bias)
    h = h.view(*x.shape[:2], -1, shape.width)
    q, k, v = (part.transpose(1, 2) for part in h.split([shape.heads, shape.groups, shape.groups], dim=2))
    if weights.q_norm is not None:
        q, k = rms(q, weights.q_norm, shape.eps), rms(k, weights.k_norm, shape.eps)
    return rotate(q, cos, sin), rotate(k, cos, sin), v


def remainder(x, attended, weights, shape):
    """What a layer makes of its attention's output, (rows, tokens, heads x head width)."""
    x = x + multiply(attended, weights.out)
    gate, up = multiply(rms(x, weights.after, shape.eps), weights.gate_up).chunk(2, dim=-1)
    return x + multiply(silu(gate) * up, weights.down)


def multiply(x: Tensor, weight: Tensor | Int8, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, (..., inputs) -> (..., outputs); a weight in 8 bits is multiplied by its own kernel."""
    if isinstance(weight, Int8):
        return weight.times(x) if bias is None else weight.times(x) + bias
    return linear(x, weight, bias)  # rounded once


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMSNorm (arXiv:1910.07467), in float32 as transformers' models compute it."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (arXiv:2104.09864), halves as transformers pairs them."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def _base(module: nn.Module) -> nn.Module:
    return module.get_base_layer() if isinstance(module, LoraLayer) else module
