"""What is written for others is read back with their own programs, and is the model that was trained."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
from conftest import composed
from safetensors.torch import load_file, save_file
from tokenizers import Regex, normalizers, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

from qgen.data.champ import read as champ
from qgen.data.prompts import ask
from qgen.engine import llamacpp
from qgen.export import card, gguf, merged, ollama, readback, vocabulary
from qgen.export.agreement import compare, logits
from qgen.export.trained import TrainedModel, read
from qgen.mathematics.problem import render
from qgen.models import model
from qgen.runs.files import write_json
from qgen.settings.choices import Format, Precision

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def source(pipeline, tmp_path_factory) -> TrainedModel:
    """The pipeline's SFT, with an adapter that differs from the base whatever two steps taught."""
    home = tmp_path_factory.mktemp("run") / "sft"
    shutil.copytree(pipeline[0] / "outputs" / "t" / "sft", home)
    file, noise = home / "adapter" / "adapter_model.safetensors", torch.Generator().manual_seed(0)
    save_file({name: w + 0.02 * torch.randn(w.shape, generator=noise) for name, w in load_file(file).items()}, file)
    return read(home)


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The merged model's directory, and its agreement with the adapter on the base."""
    folder = tmp_path_factory.mktemp("handover") / "merged"
    return folder, merged.write(source, folder)


def test_merged_weights_are_the_adapter_on_its_base_and_not_the_base(source, whole):
    folder, agreement = whole
    assert agreement.max_abs < 1e-5
    assert agreement.top1 == 1
    base, tokenizer = model.load_plain(source.model, source.run.seed)
    without = compare(logits(*merged.load(folder, source), source.rows), logits(base, tokenizer, source.rows))
    with pytest.raises(RuntimeError, match="not the model that was trained"):
        merged.check(without, merged.TOLERANCE[torch.float32], "the base")


def test_a_run_of_another_base_is_refused(source, tmp_path):
    other = replace(source, environment=source.environment | {"model": "someone/else@1"})
    with pytest.raises(RuntimeError, match="another base"):
        merged.write(other, tmp_path / "merged")


def test_a_gguf_is_read_by_transformers_and_by_llama_cpp(source, whole, tmp_path):
    file = tmp_path / "model.gguf"
    gguf.write(whole[0], file, Precision.f32, "tiny", None)
    proof = readback.prove(file, Precision.f32, source, merged.load(whole[0], source))
    assert proof.agreement.max_abs == 0
    assert proof.greedy[0] == proof.greedy[1] > 0
    assert proof.by == "transformers and llama.cpp"
    assert proof.tokens > 10_000


@pytest.mark.slow
def test_heads_in_the_wrong_order_are_noticed(source, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf, "_interleaved", lambda weight, heads: weight)
    file = tmp_path / "model.gguf"
    gguf.write(whole[0], file, Precision.f32, "tiny", None)
    with pytest.raises(RuntimeError, match="is not the merged model"):
        readback.prove(file, Precision.f32, source, merged.load(whole[0], source))


def test_digits_cut_one_by_one_are_llama_cpps_smollm(source, whole, tmp_path):
    tokenizer = model.load_tokenizer(source.model)
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    assert vocabulary.read(tokenizer, 10).pre == "smollm"
    for part in whole[0].iterdir():
        (tmp_path / part.name).symlink_to(part)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).unlink()
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "model.gguf"
    gguf.write(tmp_path, file, Precision.q8_0, "tiny", None)
    text = readback.ODD + "\n".join(render(p, solution=True) for p in champ(composed().data))
    with llamacpp.serving(file, 64) as server:
        assert server.tokenize(text) == tokenizer(text)["input_ids"]
        assert server.tokenize(text) != source.tokenizer(text)["input_ids"]


def cut_as_qwen(tokenizer):
    """A tokenizer, cutting text up as Qwen's does before it merges (transformers adds the NFC as it reads it)."""
    cut = pre_tokenizers.Split(Regex(vocabulary.PRE["qwen2"][0]["pattern"]["Regex"]), "isolated")
    steps = [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return tokenizer


def tiny_qwen(source, folder, tokenizer, **shape):
    """A Qwen2 of random weights, among them biases, which would begin at 0, and scores that tell positions apart."""
    shape = dict(source.run.model.architecture, model_type="qwen2", vocab_size=len(tokenizer), **shape)
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape))
    with torch.no_grad():
        for name, value in base.named_parameters():
            if name.endswith("bias"):
                value.normal_()
            elif "q_proj" in name or "k_proj" in name:
                value.mul_(20)
    base.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("tied", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_qwen2_is_read_by_transformers_and_by_llama_cpp(source, tmp_path, tied):
    tokenizer = model.load_tokenizer(source.model)
    if tied:  # a smaller vocabulary is enough
        tokenizer = tokenizer.train_new_from_iterator((render(p) for p in source.corpus.train), 1000)
    tiny_qwen(source, tmp_path, cut_as_qwen(tokenizer), tie_word_embeddings=tied)
    file = tmp_path / "model.gguf"
    by = gguf.write(tmp_path, file, Precision.f32, "tiny", None)
    proof = readback.prove(file, Precision.f32, source, merged.load(tmp_path, source))
    assert proof.agreement.max_abs == 0
    assert proof.greedy[0] == proof.greedy[1] > 0
    assert proof.llamacpp[0] == proof.llamacpp[1]
    assert proof.by == "llama.cpp"  # transformers takes a qwen2's tokenizer for Qwen's, whatever the file says
    assert proof.tokens > 10_000
    assert "NFC" in by


def test_of_normal_forms_nfc_alone_is_left_to_the_text(source):
    tokenizer = model.load_tokenizer(source.model)
    for step, nfc in ((normalizers.Sequence([]), False), (normalizers.NFC(), True)):
        tokenizer.backend_tokenizer.normalizer = step
        assert vocabulary.read(tokenizer, 10).nfc is nfc
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    with pytest.raises(ValueError, match=r"normalises text \(NFC, Lowercase\)"):
        vocabulary.read(tokenizer, 10)


def test_a_qwen2_that_looks_back_a_window_alone_is_not_written_from_here(source, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    tokenizer = cut_as_qwen(model.load_tokenizer(source.model))
    tiny_qwen(source, tmp_path, tokenizer, use_sliding_window=True, sliding_window=64, max_window_layers=1)
    with pytest.raises(RuntimeError, match="looks back 64 tokens only"):
        gguf.write(tmp_path, tmp_path / "model.gguf", Precision.f16, "tiny", None)


def test_what_cannot_be_written_from_here_names_the_converter(source, tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    shape = dict(source.run.model.architecture, model_type="qwen3", head_dim=8, vocab_size=len(source.tokenizer))
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape)).save_pretrained(tmp_path)
    source.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match=r"is qwen3, not llama or qwen2.*convert_hf_to_gguf\.py.*LLAMA_CPP"):
        gguf.write(tmp_path, tmp_path / "model.gguf", Precision.f16, "tiny", None)
    monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"holds no convert_hf_to_gguf\.py"):
        gguf.write(tmp_path, tmp_path / "model.gguf", Precision.f16, "tiny", None)


METRICS = [
    {"name": "format_yield", "label": "format yield", "unit": "share", "better": "higher", "passed": True},
    {"name": "novelty", "label": "novelty", "unit": "value", "better": "higher", "passed": False},
]
VALUES = {"format_yield": [0.5, 0.41, 0.59], "novelty": [0.25, 0.2, 0.3]}
FOUND = {
    "n": 200, "seeds": [0], "prompts": 36, "metrics": METRICS, "notes": ["a note"],
    "rows": [{"name": "sft", "values": VALUES}, {"name": "real", "values": VALUES | {"novelty": None}}],
}  # fmt: skip


def go(template: str, **values: str) -> str:
    """What Go makes of the part of its templates that a Modelfile uses."""
    kept = re.sub(
        r"\{\{ if \.(\w+) \}\}(.*?)\{\{ end \}\}", lambda m: m[2] if values.get(m[1]) else "", template, flags=re.S
    )
    return re.sub(r"\{\{ \.(\w+) \}\}", lambda m: values.get(m[1], ""), kept)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ollamas_prompt_is_the_chat_templates(source, language):
    run = replace(source.run, prompt=composed(f"prompt={language}").prompt)
    told = replace(source, run=run)
    text = ollama.modelfile(told, "x.gguf")
    system = re.search(r'SYSTEM """(.*?)"""', text, re.S)[1]
    asked = ask(run.prompt, "Geometry", 4)
    written = go(
        re.search(r'TEMPLATE """(.*?)"""', text, re.S)[1], System=system, Prompt=asked[-1]["content"], Response="R"
    )
    answered = [*asked, {"role": "assistant", "content": "R"}]
    assert written == source.tokenizer.apply_chat_template(answered, tokenize=False)
    assert text.startswith("FROM ./x.gguf\n")
    assert f"PARAMETER num_ctx {run.model.max_length}\n" in text
    assert 'PARAMETER stop "<|im_end|>"' in text


def test_a_template_other_than_chatml_has_no_modelfile(source):
    told = replace(source)
    told.tokenizer.chat_template = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    with pytest.raises(RuntimeError, match="not ChatML"):
        ollama.modelfile(told, "x.gguf")


def test_the_card_tells_what_is_known_and_that_nothing_was_evaluated(source):
    text = card.text(source, Format.merged, ["checked"])
    head = text.split("---")[1]
    assert "library_name: transformers" in head
    assert "base_model" not in head  # the base is random weights
    assert "| CHAMP" in text or "champ" in text
    assert f"| {len(source.corpus.train)} | {len(source.corpus.heldout)} |" in text
    assert "Not evaluated." in text
    assert "random weights" in text


def test_the_cards_figures_have_intervals(source, tmp_path):
    home = tmp_path / "sft"
    home.mkdir()
    write_json(home / "summary.json", json.loads((source.home / "summary.json").read_text()))
    (tmp_path / "evaluation").mkdir()
    write_json(tmp_path / "evaluation" / "evaluation.json", FOUND)
    text = card._evaluation(replace(source, home=home))
    assert "| format yield | higher | 50% (41%–59%) | 50% (41%–59%) |" in text
    assert "| novelty | higher | ✗ | ✗ |" in text
    assert "- a note" in text
