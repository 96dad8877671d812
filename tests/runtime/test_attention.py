"""The failing modules are written here in the shape of the Unsloth releases that had the bug."""

import sys
import textwrap

import pytest
import torch
from conftest import composed
from torch.nn.functional import scaled_dot_product_attention

from qgen.models import model
from qgen.runtime import attention

BROKEN = """
    import torch

    xformers = None
    xformers_attention = None

    def forward(query, key, value):
        mask = xformers.attn_bias.LowerTriangularMask()
        if isinstance(mask, xformers.attn_bias.BlockDiagonalCausalMask):
            raise NotImplementedError
        return xformers_attention(query, key, value, attn_bias=mask)
"""
SOUND = """
    xformers = None
    HAS_XFORMERS = False

    def forward():
        mask = xformers.attn_bias.LowerTriangularMask() if HAS_XFORMERS else None
        if HAS_XFORMERS:
            mask = xformers.attn_bias.LowerTriangularMask()
        return mask
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, source):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        __import__(name)
        monkeypatch.delitem(sys.modules, name)
        sys.modules[name] = made = __import__(name)
        return made

    yield make
    for name in ("broken_model", "sound_model"):
        sys.modules.pop(name, None)


def test_a_failing_module_is_mended(module):
    broken = module("broken_model", BROKEN)
    query, key, value = torch.randn(3, 2, 5, 4, 8).unbind()  # (batch, tokens, heads, width)
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'attn_bias'"):
        broken.forward(query, key, value)
    assert attention.fix("broken_model") == ["broken_model"]
    expected = scaled_dot_product_attention(*(x.transpose(1, 2) for x in (query, key, value)), is_causal=True)
    torch.testing.assert_close(broken.forward(query, key, value), expected.transpose(1, 2))
    assert attention.fix("broken_model") == []  # once


def test_grouped_heads_keep_their_shape():
    query, key, value = torch.randn(3, 2, 5, 3, 2, 8).unbind()  # (batch, tokens, key heads, group, width)
    mended = attention.causal_attention(query, key, value)
    flat = attention.causal_attention(*(x.flatten(2, 3) for x in (query, key, value)))
    assert mended.shape == query.shape
    torch.testing.assert_close(mended.flatten(2, 3), flat)


def test_a_sound_module_is_left_alone(module):
    sound = module("sound_model", SOUND)
    assert attention.fix("sound_model") == []
    assert sound.xformers is None
    assert sound.forward() is None


def test_a_module_with_xformers_is_left_alone(module):
    broken = module("broken_model", BROKEN)
    broken.xformers = present = object()
    assert not attention.mend(broken)
    assert broken.xformers is present


def test_sliding_windows_are_refused_rather_than_wrong(module):
    broken = module("broken_model", BROKEN)
    attention.mend(broken)
    with pytest.raises(RuntimeError, match="need xformers"):
        broken.xformers.attn_bias.BlockDiagonalCausalMask.from_seqlens([5])


def test_releases_with_the_bug_are_refused():
    for version in ("2025.1.8", "2025.7.1"):
        with pytest.raises(RuntimeError, match=f"unsloth {version}.*pip install -U"):
            attention.refuse_broken_unsloth(version)
    attention.refuse_broken_unsloth("2025.7.2")
    attention.refuse_broken_unsloth("2026.10.9")
    attention.refuse_broken_unsloth()  # not installed here


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gradients_of_the_failing_shape_are_finite_once_it_is_settled():
    before = attention.cudnn_gradient_is_finite()
    said = attention.settle()
    assert torch.backends.cuda.cudnn_sdp_enabled() == (before is not False)
    assert ("switched off" in said) == (before is False)
    for length in (64, 192, 320, 704):
        query, key, value = (0.1 * torch.randn(1, 1, length, 64, device="cuda", dtype=torch.bfloat16) for _ in "qkv")
        query[..., 0], key[..., 0] = 1.0, -960.0
        inputs = [tensor.requires_grad_() for tensor in (query, key, value)]
        mask = torch.ones(length, length, dtype=torch.bool, device="cuda").tril()[None, None]
        scaled_dot_product_attention(*inputs, attn_mask=mask).sum().backward()
        assert all(tensor.grad.isfinite().all() for tensor in inputs)


def test_without_a_gpu_nothing_is_switched():
    if not torch.cuda.is_available():
        assert attention.settle() == ""
        assert torch.backends.cuda.cudnn_sdp_enabled()


def test_the_backend_is_said():
    for name in ("sdpa", "eager"):
        config = composed("model=tiny", f"model.attn_implementation={name}").model
        loaded = model.load_base(config, model.load_tokenizer(config), seed=0)
        assert attention.backend(loaded).startswith(name)
