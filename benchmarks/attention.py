"""cuDNN's attention and PyTorch's others on one GPU: python benchmarks/attention.py [--out FILE] [key=value ...]

Is the bug of PyTorch issue 196678 here, does it reach the configured model's gradients, and what does switching cuDNN
off cost? `before` has cuDNN's attention on, as PyTorch ships it, `after` is what qgen.runtime.attention leaves. Numbers
are the gradient's values that are not finite, and medians of seconds: of forward and backward of 16 real problems, cut
or padded to a length, under a LoRA adapter, and of a token written by the compiled copy.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.backends.cuda import enable_cudnn_sdp

from qgen import data
from qgen.data.prompts import lesson, request
from qgen.engine import rollout
from qgen.engine.compiled import CompiledWriter
from qgen.models.model import load
from qgen.runtime import attention
from qgen.runtime.finite import largest
from qgen.settings.compose import composed
from qgen.settings.sampling import SamplingConfig

LENGTHS = (128, 192, 256, 320)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[64, 512], help="of the copy's rollouts")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--out", type=Path)
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    if not torch.cuda.is_available():
        raise SystemExit("this compares a GPU's kernels, and there is none here")
    config = composed(["stage=grpo", "reward=seed", *given.overrides])
    began = time.perf_counter()
    sound, seconds = attention.cudnn_gradient_is_finite(), time.perf_counter() - began
    began = time.perf_counter()
    attention.cudnn_gradient_is_finite()
    found = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cudnn": torch.backends.cudnn.version(),
        "probe": {length: attention.cudnn_gradient_is_finite(length) for length in (*LENGTHS, 704)},
        "probe_seconds": [round(seconds, 4), round(time.perf_counter() - began, 4)],
        "settled": attention.settle(),
        "cudnn_is_sound": sound,
    }
    policy, tokenizer = load(config.model, None, 0)
    corpus = data.load(config.data)
    writer = CompiledWriter(policy, rollout.ends(policy, tokenizer), tokenizer.pad_token_id)
    writer.decoder.refresh()
    writer.ends = ()  # to the last token, so that both write as many
    asked = [request(config.prompt, p)["prompt"] for p in corpus.train[: max(given.rows)]]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
    for rows in given.rows:
        part = (ids * (1 + rows // len(ids)))[:rows]
        sampling = SamplingConfig(max_new_tokens=given.tokens)
        found[f"token_{rows}"] = beside(lambda part=part, s=sampling: written(writer, part, s), 3, writer.release)
    for length in LENGTHS:
        batch = rows_of(corpus, config, tokenizer, length)
        found[f"step_{length}"] = beside(lambda batch=batch: step(policy, batch))
    print(text := json.dumps(found, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(text + "\n")


def rows_of(corpus, config, tokenizer, length: int) -> dict[str, torch.Tensor]:
    """Sixteen problems with their requests, as SFT has them, padded on the right to a length."""
    texts = [tokenizer.apply_chat_template(row["prompt"] + row["completion"], tokenize=False)
             for row in (lesson(config.prompt, p) for p in corpus.train[:16])]  # fmt: skip
    batch = tokenizer(texts, add_special_tokens=False, padding="max_length", truncation=True, max_length=length,
                      padding_side="right", return_tensors="pt").to("cuda")  # fmt: skip
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    return {**batch, "labels": labels}


def step(policy, batch: dict[str, torch.Tensor]) -> tuple[float, bool]:
    """Seconds of forward and backward, and whether every gradient is finite."""
    policy.zero_grad()
    torch.cuda.synchronize()
    began = time.perf_counter()
    policy(**batch).loss.backward()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return seconds, largest(p.grad for p in policy.parameters() if p.grad is not None) < float("inf")


def written(writer: CompiledWriter, ids: list[list[int]], sampling: SamplingConfig) -> tuple[float, bool]:
    """Seconds a token, and whether every log-probability is finite."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    found = writer.write(ids, sampling)
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / sampling.max_new_tokens
    return seconds, all(abs(value) < float("inf") for w in found for value in w.logprobs)


def beside(work: Callable, times: int = 6, anew: Callable = lambda: None) -> dict[str, dict]:
    """A work with cuDNN's attention on and off, in turns.

    Args:
        anew: forgets what one of them has captured.
    """
    found: dict[str, list] = {"before": [], "after": []}
    for name in ("before", "after", "before", "after"):
        enable_cudnn_sdp(name == "before")
        anew()
        work()  # compiles, captures
        found[name] += [work() for _ in range(times)]
    enable_cudnn_sdp(False)
    return {name: {"seconds": round(statistics.median(s for s, _ in runs), 5), "finite": all(f for _, f in runs)}
            for name, runs in found.items()}  # fmt: skip


if __name__ == "__main__":
    main()
