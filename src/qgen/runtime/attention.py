"""Which attention will run, and what is wrong with some: cuDNN's gradients of NaN, Unsloth's missing `attn_bias`.

cuDNN's attention, PyTorch's first choice on Hopper from torch 2.11 on, has a backward that gives NaN for the queries
where a mask is passed, the length is 64 modulo 128 and a row's scores are all below about -88 (PyTorch issue 196678,
found through TRL issue 7181). Models with a head of huge activations, such as Qwen2.5's, meet it within a hundred
steps. `settle` tries that very shape on the device and switches the backend off where it fails.

`'NoneType' object has no attribute 'attn_bias'`: Unsloth sets its modules' global `xformers` to None where xformers is
missing or does not match torch, and the forwards of some releases then read `xformers.attn_bias` without asking first
(unslothai/unsloth issues 1490 and 1566). Llama's was guarded in February 2025, those of Mistral, Qwen3, Cohere and
Granite in July. Without xformers those forwards need a mask to pass on and an attention to pass it to: PyTorch has
both.
"""

import ast
import inspect
import math
import sys
import warnings
from functools import cache
from importlib import metadata
from types import ModuleType, SimpleNamespace

from packaging.version import Version

FIRST_SOUND = Version("2025.7.2")  # read from the sources of 2025.6.12 to 2025.7.8


_WORDS = {
    "sdpa": "PyTorch's scaled_dot_product_attention",
    "eager": "plain matrix products, the slow way",
    "flash_attention_2": "the flash-attn package",
    "flex_attention": "PyTorch's flex_attention",
}


def backend(model) -> str:
    """The attention that a loaded transformers model will run, in words."""
    name = model.config._attn_implementation
    words = [_WORDS[name], *([settled] if name == "sdpa" and (settled := settle()) else [])] if name in _WORDS else []
    return f"{name} ({', '.join(words)})" if words else str(name)


@cache
def settle() -> str:
    """Switch cuDNN's attention off in this process where its gradients are wrong on this device.

    Training, log-probabilities, the compiled copy and the solver all call PyTorch's scaled_dot_product_attention, of
    either backend, so that this one switch serves them. Takes a few milliseconds, once a process.

    Returns what was found, in words; nothing where there is no GPU.
    """
    import torch

    if not torch.cuda.is_available():
        return ""
    if not torch.backends.cuda.cudnn_sdp_enabled():
        return "cuDNN's switched off before"
    found = cudnn_gradient_is_finite()
    if found is None:
        return "cuDNN's does not run here"
    if found:
        return "cuDNN's tried, and sound"
    torch.backends.cuda.enable_cudnn_sdp(False)
    return "cuDNN's switched off: its gradients are NaN here, PyTorch issue 196678"


def cudnn_gradient_is_finite(length: int = 192) -> bool | None:
    """Whether cuDNN's attention gives a finite gradient for the shape that fails in PyTorch issue 196678: a mask, a
    length of 64 modulo 128, every score about -120. None where it does not run on this device at all."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    width, device = 64, torch.device("cuda", torch.cuda.current_device())
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    with torch.random.fork_rng([device]), torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at length why a kernel cannot run
        torch.manual_seed(0)
        query, key, value = (0.1 * torch.randn(1, 1, length, width, device=device, dtype=dtype) for _ in range(3))
        query[..., 0], key[..., 0] = 1.0, -120 * math.sqrt(width)  # so that every score is about -120
        inputs = tuple(tensor.requires_grad_() for tensor in (query, key, value))
        mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]
        try:
            with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                written = scaled_dot_product_attention(query, key, value, attn_mask=mask)
                written.backward(torch.randn_like(written))
        except RuntimeError:
            return None
        return all(tensor.grad is not None and bool(tensor.grad.isfinite().all()) for tensor in inputs)


def refuse_broken_unsloth(version: str | None = None) -> None:
    """Raise RuntimeError where the installed Unsloth (or the version given) still has the bug in some model."""
    if version is None:
        try:
            version = metadata.version("unsloth")
        except metadata.PackageNotFoundError:
            return
    if Version(version) < FIRST_SOUND:
        raise RuntimeError(
            f"unsloth {version} fails without xformers ('NoneType' object has no attribute 'attn_bias'); "
            f"install a release from {FIRST_SOUND} on: pip install -U 'qgen[gpu]'"
        )


def fix(prefix: str = "unsloth.models") -> list[str]:
    """Mend every imported module under `prefix` that needs it; calling it again changes nothing.

    Returns the names of the modules that were mended.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith(prefix) and module is not None]
    return [module.__name__ for module in modules if mend(module)]


def mend(module: ModuleType) -> bool:
    """Give a module whose `xformers` is None, and whose code reads `xformers.attn_bias` unguarded, what it needs.

    That is masks, and the attention that such forwards go on to call with them (`xformers_attention`, None as
    well in such a module). Returns whether the module needed it.
    """
    if getattr(module, "xformers", module) is not None or not unguarded(inspect.getsource(module)):
        return False
    vars(module)["xformers"] = SimpleNamespace(attn_bias=_Masks)
    if getattr(module, "xformers_attention", None) is None:
        vars(module)["xformers_attention"] = causal_attention
    return True


def causal_attention(query, key, value, attn_bias=None, p: float = 0.0, scale: float | None = None):
    """PyTorch's causal attention under xformers' signature.

    Args:
        query, key, value: (batch, tokens, heads, width), or (batch, tokens, key heads, group, width).
        attn_bias: a mask of `_Masks`, all of which are causal.

    Returns the shape of `query`.
    """
    from torch.nn.functional import scaled_dot_product_attention

    q, k, v = (x.flatten(2, -2).transpose(1, 2) for x in (query, key, value))
    return (
        scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p, scale=scale)
        .transpose(1, 2)
        .reshape(query.shape)
    )


def unguarded(source: str) -> list[int]:
    """Lines of a module that read `xformers.attn_bias` outside any test of xformers or HAS_XFORMERS."""
    lines: list[int] = []

    def visit(node: ast.AST, guarded: bool) -> None:
        if isinstance(node, ast.If | ast.IfExp):
            names = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
            tested = guarded or bool(names & {"xformers", "HAS_XFORMERS"})
            visit(node.test, guarded)
            body = node.body if isinstance(node.body, list) else [node.body]
            orelse = node.orelse if isinstance(node.orelse, list) else [node.orelse]
            for part in (*body, *orelse):
                visit(part, tested)
            return
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "attn_bias"
            and isinstance(node.value, ast.Name)
            and node.value.id == "xformers"
            and not guarded
        ):
            lines.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            visit(child, guarded)

    visit(ast.parse(source), False)
    return lines


class _Masks:
    """Stands where xformers.attn_bias would. Only the plain causal mask can be had without xformers."""

    class LowerTriangularMask:
        pass

    class BlockDiagonalCausalMask:
        @staticmethod
        def from_seqlens(*_, **__):
            raise RuntimeError("sequences longer than the model's sliding window need xformers: pip install xformers")
