"""Completions are transformers' own, token for token, whichever rows have left the batch."""

import gc
import weakref

import pytest
import torch
from conftest import composed

from qgen import data
from qgen.data.prompts import requests
from qgen.engine import rollout
from qgen.engine.compiled import CompiledWriter
from qgen.engine.rollout import decode, draw, generate
from qgen.models import model


@pytest.fixture(scope="module")
def policy():
    return model.load_plain(composed().model, 0)


@pytest.fixture(scope="module")
def prompts():
    config = composed()
    return [row["prompt"] for row in requests(config.prompt, data.load(config.data).heldout, 6, 0)]


def test_greedy_decoding_is_that_of_transformers(policy, prompts):
    base, tokenizer = policy
    base.eval()
    texts = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=False)
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    sampling = composed("sampling.temperature=1e-6", "sampling.max_new_tokens=48").sampling
    end = tokenizer.convert_tokens_to_ids("Ġthe")  # so that rows end at different steps, and leave the batch
    with torch.no_grad():
        mine = decode(base, inputs, sampling, {end})
        theirs = base.generate(**inputs, max_new_tokens=48, do_sample=False, eos_token_id=end)
    theirs = theirs[:, inputs["input_ids"].shape[1] :].tolist()
    assert len({len(row) for row in mine}) > 2
    for row, reference in zip(mine, theirs, strict=True):
        assert row == reference[: len(row)]
        assert row[-1] == end or len(row) == 48


def test_a_seed_gives_the_same_completions_and_leaves_trainings_numbers_alone(policy, prompts, monkeypatch):
    sampling = composed("sampling.max_new_tokens=12", "sampling.top_p=0.9").sampling
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = generate(*policy, prompts, sampling, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr(rollout, "STAY", 0.0)  # nobody leaves
    assert generate(*policy, prompts, sampling, seed=1) == first
    assert generate(*policy, prompts, sampling, seed=2) != first


def test_a_copy_that_is_not_resident_is_given_back_and_taken_anew(policy, prompts):
    kept, lent = (CompiledWriter(policy[0], rollout.ends(*policy), 0, resident=stays) for stays in (True, False))
    for writer in (kept, lent):
        writer.decoder.refresh()
    held = [weakref.ref(writer.decoder.layers[0].qkv) for writer in (kept, lent)]
    sampling = composed("sampling.max_new_tokens=8").sampling
    first, second, third = (generate(*policy, prompts, sampling, 1, writer=w) for w in (kept, lent, lent))
    assert first == second == third
    gc.collect()
    assert [ref() is None for ref in held] == [False, True]
    assert [writer.state is None for writer in (kept, lent)] == [False, True]
    with pytest.raises(RuntimeError, match="no copy to write from"):
        lent.write([[1]], sampling)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    sampling = composed("sampling.temperature=0.5").sampling
    logits = torch.tensor([[0.0, 0.5, 1.0, -torch.inf]]).expand(20_000, -1)
    chance = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    drawn = torch.bincount(draw(logits, chance, sampling), minlength=4) / 20_000
    likely = (logits[0] / 0.5).softmax(-1)
    assert torch.allclose(drawn, likely, atol=0.015)
    sampling.top_p = 0.6
    assert set(draw(logits, chance, sampling).tolist()) == {2}


@pytest.mark.slow
def test_merging_the_adapter_changes_neither_the_words_nor_afterwards_the_weights(prompts):
    config = composed("sampling.temperature=1e-6", "sampling.max_new_tokens=24")
    trained, tokenizer = model.load(config.model, None, 0)
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0.0, 0.02)
    before = {name: parameter.clone() for name, parameter in trained.named_parameters()}
    merged = generate(trained, tokenizer, prompts[:3], config.sampling, 0)
    assert all(torch.equal(parameter, before[name]) for name, parameter in trained.named_parameters())
    assert not any(getattr(module, "merged", False) for module in trained.modules())
    texts = tokenizer.apply_chat_template(prompts[:3], add_generation_prompt=True, tokenize=False)
    inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    trained.eval()
    with torch.no_grad():
        apart = decode(trained, inputs, config.sampling, {tokenizer.eos_token_id})
    assert [c.text for c in merged] == [tokenizer.decode(row, skip_special_tokens=True) for row in apart]
    with trained.disable_adapter():
        bare = generate(trained, tokenizer, prompts[:3], config.sampling, 0)
    assert bare != merged


def test_vllm_is_named_where_it_is_not_there():
    with pytest.raises(ImportError, match=r"pip install 'qgen\[vllm\]'"):
        rollout.choose(composed("model.rollout=vllm").model, 8, None, None)
