"""The rollout from a merged copy, on a CPU: the steps of a GPU, without its graphs; benchmarks/rollout.py has those."""

import copy
import weakref
from functools import partial
from statistics import mean

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch._dynamo.utils import counters
from transformers import AutoConfig, AutoModelForCausalLM

from qgen.engine import compiled, decoder, rollout
from qgen.engine.attend import attend, parts
from qgen.engine.compiled import CompiledWriter
from qgen.engine.decoder import bytes_short
from qgen.engine.draw import Draw, choose
from qgen.engine.int8 import Int8
from qgen.settings.model import ModelConfig
from qgen.settings.sampling import SamplingConfig

PROMPTS = [[5, 6, 7, 8], [9], [10, 11, 12, 13, 14, 15, 16], [3, 4], [20, 21, 22]]
GREEDY = SamplingConfig(max_new_tokens=40, temperature=0)


def shaped(model_type, **more):
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type, vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=0, **more,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    policy = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj", "o_proj", "up_proj"]))
    for name, parameter in policy.named_parameters():
        if "lora_B" in name or "layernorm" in name:
            parameter.data += 0.3 * torch.randn(parameter.shape)
    return policy.eval()


@pytest.fixture(params=[("llama", {}), ("qwen3", {"head_dim": 16}), ("qwen2", {})], ids=lambda p: p[0])
def policy(request):
    name, more = request.param
    return shaped(name, **more)


def writer(policy, ends=(2,), **more):
    made = CompiledWriter(policy, set(ends), 0, **more)
    made.decoder.refresh()
    return made


def test_greedy_is_generate_to_the_token(policy):
    endless = writer(policy, ends=()).write(PROMPTS, GREEDY)
    ends = [endless[0].ids[9], endless[3].ids[20]]  # so that rows end at different times, and leave
    policy.generation_config.eos_token_id = ends
    written = writer(policy, ends).write(PROMPTS, GREEDY)
    for prompt, ours in zip(PROMPTS, written, strict=True):
        theirs = policy.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False)[0, len(prompt) :].tolist()
        assert ours.ids == theirs
    assert len({len(w.ids) for w in written}) > 1


@pytest.mark.parametrize("at_once", [1, 4, 6, None])
def test_a_row_that_has_ended_makes_room_for_the_next_prompt(policy, at_once):
    endless = writer(policy, ends=()).write(PROMPTS, GREEDY)
    ends = {endless[0].ids[9], endless[3].ids[20]}
    prompts = [PROMPTS[i % 5] for i in range(13)] + [[30, 31]]
    alone = [writer(policy, ends).write([prompt], GREEDY)[0].ids for prompt in PROMPTS]
    ours, ended = writer(policy, ends), []
    written = ours.write(prompts, GREEDY, at_once, lambda number, tokens: ended.append((number, tokens)))
    assert [w.ids for w in written[:13]] == [alone[i % 5] for i in range(13)]
    assert dict(ended) == dict(enumerate(written))
    assert len(ours.state.token) == compiled.ladder(at_once or 14)


def test_equal_prompts_that_begin_together_are_read_once_and_drawn_apart(policy, monkeypatch):
    read, shapes = decoder.read, []
    monkeypatch.setattr(decoder, "read", lambda x, *rest: (shapes.append(x.shape[:2]), read(x, *rest))[1])
    torch.manual_seed(0)
    written = writer(policy, ends=()).write([PROMPTS[0], PROMPTS[2], *[PROMPTS[0]] * 6], SamplingConfig(8))
    assert set(shapes) == {(2, 7)}
    assert len({tuple(w.ids) for w in written}) == 8
    monkeypatch.setattr(compiled, "READ", 8)
    shapes.clear()
    writer(policy).write(PROMPTS, GREEDY)
    assert set(shapes) == {(2, 2), (2, 4), (1, 7)}


def test_nothing_to_write_is_nothing(policy):
    assert writer(policy).write([], GREEDY) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize(("groups", "heads", "width"), [(2, 6, 128), (1, 3, 64), (2, 2, 16), (3, 1, 96)])
@pytest.mark.parametrize("times", [1, 40], ids=["a row's columns shared out", "a program a row"])
def test_a_rows_attention_on_a_gpu_is_that_of_a_cpu(dtype, groups, heads, width, times):
    torch.manual_seed(0)
    position = torch.tensor([0, 1, 63, 64, 65, 130, 199] * times)
    cache = [torch.randn(len(position), groups, 200, width, dtype=dtype) for _ in range(2)]
    q = torch.randn(len(position), groups, heads, width, dtype=dtype)
    exact = attend(q.float(), *(c.float() for c in cache), position, width**-0.5)
    ours = attend(q.cuda(), *(c.cuda() for c in cache), position.cuda(), width**-0.5).cpu().float()
    torch.testing.assert_close(ours, exact, atol=1e-5 if dtype is torch.float32 else 0.01, rtol=0.01)


def test_a_layer_is_compiled_once_for_all_rows_and_lengths(policy, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch._dynamo.reset()
    made = writer(policy, compile_layers=True)
    counters.clear()
    for rows, tokens in ((8, 10), (16, 140), (16, 140), (3, 10)):  # 16 rows leave by halves, over two lengths
        made.ends = tuple(range(3, 8))
        made.write([[9 + i % 5] * (3 + i) for i in range(rows)], SamplingConfig(max_new_tokens=tokens))
    made.release()
    made.decoder.release()
    made.decoder.refresh()
    made.write(PROMPTS, GREEDY)  # nor is one for a copy taken anew
    writer(copy.deepcopy(policy), compile_layers=True).write(PROMPTS, GREEDY)  # nor is it for another policy's copy
    assert counters["stats"]["unique_graphs"] == 1


def test_a_layer_of_another_model_keeps_its_sizes(monkeypatch):
    seen = []

    def backend(graph, _):
        inputs = [node.meta["example_value"] for node in graph.graph.nodes if node.op == "placeholder"]
        seen.append({tuple(map(str, one.shape)) for one in inputs if torch.is_tensor(one)})
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    for hidden in (32, 48, 64):
        config = AutoConfig.for_model("llama", vocab_size=97, hidden_size=hidden, intermediate_size=2 * hidden,
                                      num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)  # fmt: skip
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        writer(model, compile_layers=True).write(PROMPTS, SamplingConfig(max_new_tokens=3, temperature=0))
    assert len(seen) == 3
    for hidden, shapes in zip(("32", "48", "64"), seen, strict=True):
        matrices = [shape for shape in shapes if len(shape) == 2]  # the layer's weights
        assert matrices
        assert all(hidden in shape and all(map(str.isdigit, shape)) for shape in matrices)
        assert () not in shapes  # a float that became an input


def test_logprobs_are_the_policys_at_the_temperature(policy):
    torch.manual_seed(1)
    for prompt, drawn in zip(PROMPTS, writer(policy).write(PROMPTS, SamplingConfig(20, 0.7, top_p=0.9)), strict=True):
        full = torch.tensor([prompt + drawn.ids])
        with torch.no_grad():
            logits = policy(full).logits[0, len(prompt) - 1 : -1] / 0.7
        policys = logits.log_softmax(-1).gather(1, full[0, len(prompt) :, None])[:, 0]
        torch.testing.assert_close(torch.tensor(drawn.logprobs), policys, atol=1e-5, rtol=1e-5)


def test_in_16_bits_the_copy_is_as_near_to_32_as_the_policy_is(policy):
    exact, policy = copy.deepcopy(policy), policy.bfloat16()
    exact.load_state_dict(policy.state_dict())  # the same numbers, computed with in 32 bits
    rotary = [model.get_base_model().model.rotary_emb for model in (policy, exact)]
    rotary[0].inv_freq = rotary[1].inv_freq  # which transformers keeps in 32 bits
    torch.manual_seed(1)
    off = {"copy": [], "policy": []}
    prompts = PROMPTS * 5
    for prompt, drawn in zip(prompts, writer(policy, ends=()).write(prompts, SamplingConfig(40)), strict=True):
        ids, at = torch.tensor([prompt + drawn.ids]), slice(len(prompt) - 1, -1)
        with torch.no_grad():
            rows = [model(ids).logits[0, at].float().log_softmax(-1) for model in (exact, policy)]
        true, own = (row.gather(1, ids[0, len(prompt) :, None])[:, 0] for row in rows)
        off["copy"] += (torch.tensor(drawn.logprobs) - true).abs().tolist()
        off["policy"] += (own - true).abs().tolist()
    assert 0 < mean(off["copy"]) < 1.5 * mean(off["policy"])


def test_a_refresh_takes_over_what_training_changed(policy):
    ours = writer(policy)
    before = ours.write(PROMPTS, GREEDY)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data.neg_()
    assert ours.write(PROMPTS, GREEDY) == before
    ours.decoder.refresh()
    assert ours.write(PROMPTS, GREEDY) == writer(policy).write(PROMPTS, GREEDY) != before


@pytest.mark.parametrize("int8", [False, True])
def test_a_bases_copy_follows_the_adapters_that_come_and_go(int8):
    base = shaped("llama").unload()
    ours, found = writer(base, int8=int8), []
    for targets in (None, ["q_proj", "up_proj"], ["v_proj"], None):
        drawn = LoraConfig(r=4, target_modules=targets, init_lora_weights=False)
        policy = get_peft_model(base, drawn) if targets else base
        ours.decoder.refresh()
        found.append(ours.write(PROMPTS, GREEDY))
        assert found[-1] == writer(policy, int8=int8).write(PROMPTS, GREEDY)
        if targets:
            policy.unload()
    assert found[0] == found[3]
    assert found[0] != found[1] != found[2] != found[0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_seeds_draws_are_the_same_whether_or_not_its_graphs_are_captured():
    policy = shaped("llama").cuda()
    found = []
    for ours in (writer(policy, compile_layers=False), writer(policy, compile_layers=False)):
        for _ in range(2):
            torch.manual_seed(3)
            found.append(ours.write(PROMPTS, SamplingConfig(40, 1.0)))
    assert found[0] == found[1] == found[2] == found[3]


def test_draws_follow_the_distribution():
    policy = shaped("llama")
    torch.manual_seed(0)
    drawn = writer(policy, ends=()).write([[5, 6]] * 4000, SamplingConfig(1, 1.0))
    counts = torch.bincount(torch.tensor([w.ids[0] for w in drawn]), minlength=97) / 4000
    with torch.no_grad():
        chances = policy(torch.tensor([[5, 6]])).logits[0, -1].softmax(-1)
    assert (counts - chances).abs().max() < 0.02


def test_draws_by_blocks_follow_the_distribution_and_say_how_likely_they_are():
    torch.manual_seed(0)
    logits = 2 * torch.randn(1, 96)  # three blocks of 32
    token, logprob = choose(logits.expand(20_000, -1), Draw(0.7, 1.0, (), 0))
    chances = (logits[0] / 0.7).log_softmax(-1)
    torch.testing.assert_close(logprob, chances[token])
    counts = torch.bincount(token, minlength=96) / 20_000
    assert (counts - chances.exp()).abs().max() < 0.01


def test_parts_of_a_rows_columns_fill_the_processors_and_no_more():
    assert [parts(rows, 132) for rows in (1, 8, 16, 32, 64, 128, 256)] == [16, 16, 16, 8, 4, 2, 1]


def test_draws_are_seeded():
    ours = writer(shaped("llama"))
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(ours.write(PROMPTS, SamplingConfig(20, 1.0)))
    assert found[0] == found[1] != found[2]


def test_int8_is_within_half_a_step_of_the_weights():
    weight = torch.randn(24, 40)
    matrix = Int8(24, 40, torch.device("cpu"))
    matrix.store(weight, slice(0, 24))
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((matrix.integers * matrix.scale[:, None] - weight).abs() <= step / 2 + 1e-6).all()
    x = torch.randn(3, 5, 40)
    torch.testing.assert_close(matrix.times(x), x @ (matrix.integers * matrix.scale[:, None]).T)


def test_int8_of_many_rows_does_not_overflow_in_float16():
    torch.manual_seed(0)
    weight, x = 0.02 * torch.randn(24, 2048), torch.randn(70, 2048)
    weight[:, 5], x[:, 5] = 0.08, 1000.0  # as large as activations of trained models become
    matrix = Int8(24, 2048, torch.device("cpu"))
    matrix.store(weight, slice(0, 24))
    exact = matrix.times(x)
    torch.testing.assert_close(matrix.times(x.half()).float(), exact, atol=0.1, rtol=0.01)


def test_a_copy_that_is_given_back_is_gone_and_a_larger_cache_waits_for_the_smaller(policy, monkeypatch):
    ours = CompiledWriter(policy, {2}, 0, resident=False)
    for one in (ours, ours.twin()):
        with one.fresh():
            one.write(PROMPTS, GREEDY)
            weights = weakref.ref(one.decoder.layers[0].qkv)
        assert weights() is None
    kept = writer(policy)
    kept.write(PROMPTS, GREEDY)
    before, there, zeros = weakref.ref(kept.state.keys[0]), [], torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, **more: (there.append(before()), zeros(*size, **more))[1])
    kept.write([[3] * 200], GREEDY)
    assert there
    assert not any(one is not None for one in there)


def test_one_token_takes_no_step_of_the_cache(policy, monkeypatch):
    ours = writer(policy)
    monkeypatch.setattr(ours, "_step", lambda *_: pytest.fail("a step"))
    assert [len(w.ids) for w in ours.write(PROMPTS, SamplingConfig(max_new_tokens=1, temperature=0))] == [1] * 5


def test_a_copy_that_does_not_fit_says_how_much_is_missing(policy, monkeypatch):
    monkeypatch.setattr(rollout.memory, "free", lambda: 2**10)
    config = ModelConfig(name="x", rollout=rollout.Rollout.compiled)
    with pytest.raises(RuntimeError, match="GiB short of room for compiled's copy"):
        rollout.choose(config, 4, policy, None)
    assert bytes_short(policy.config, 4, True, 4, 64, 2**10) < bytes_short(policy.config, 4, False, 4, 64, 2**10)


def test_another_architecture_is_refused_by_name():
    config = AutoConfig.for_model("gpt2", n_layer=1, n_embd=32, n_head=2, vocab_size=97)
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(RuntimeError, match="gpt2 is none of llama, qwen2, qwen3"):
        rollout.choose(ModelConfig(name="x", rollout=rollout.Rollout.compiled), 4, model, None)
