"""Is the compiled rollout right, and how fast: python benchmarks/rollout.py [--rows 64] [--tokens 192] [key=value ...]

The policy is the configured model under an adapter whose weights are drawn at random, so that merging it matters. The
copy must write what transformers' `generate` writes on the same merged weights, greedily and token by token, and give
its own draws the log-probabilities that the policy gives them. In 16 bits neither can be to the digit: where greedy
rows part, the policy's logits of the two tokens say whether it was a tie, and both the copy's and the policy's
log-probabilities are set against the policy's in 32 bits. --vllm times vLLM's own writing instead, of as many rows to
the last token, on weights of the model's shape in 16 bits that it makes up: how fast does not depend on them.
"""

import argparse
import copy
import json
import tempfile
import time

import torch
from torch._dynamo.utils import counters
from transformers import AutoConfig

from qgen import data
from qgen.data.prompts import request
from qgen.engine import rollout
from qgen.engine.compiled import CompiledWriter, ended
from qgen.models.model import load, load_tokenizer, weights
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.sampling import SamplingConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=192)
    parser.add_argument("--spread", type=float, default=0.01, help="standard deviation of the adapter's B")
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--vllm", action="store_true")
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    config = composed(["stage=grpo", "reward=seed", *given.overrides])
    if given.vllm:
        print(json.dumps(by_vllm(config, given.rows, given.tokens), indent=1))
        return
    model, tokenizer = load(config.model, None, 0)
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, given.spread)
    asked, ids = requests(config, tokenizer, given.rows)
    ends = rollout.ends(model, tokenizer)
    writer = CompiledWriter(model, ends, tokenizer.pad_token_id, given.int8)
    found = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "model": config.model.name,
        "dtype": str(writer.decoder.dtype),
        "rows": len(ids),
        "tokens": given.tokens,
        "int8": given.int8,
        "refresh_first": timed(writer.decoder.refresh),
        "refresh": timed(writer.decoder.refresh),
    }
    greedy = SamplingConfig(max_new_tokens=given.tokens, temperature=0)
    found["greedy_first"] = timed(lambda: writer.write(ids, greedy))
    ours = writer.write(ids, greedy)
    inputs = tokenizer(
        tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False),
        return_tensors="pt", padding=True, add_special_tokens=False,
    ).to(model.device)  # fmt: skip
    with rollout._merged(model), torch.no_grad():
        theirs = model.generate(**inputs, max_new_tokens=given.tokens, do_sample=False)[
            :, inputs["input_ids"].shape[1] :
        ]
    same = [a.ids == ended(b.tolist(), ends) for a, b in zip(ours, theirs, strict=True)]
    found["greedy_rows_equal"] = f"{sum(same)} of {len(same)}"
    parted = [(p, a.ids, b.tolist()) for p, a, b, alike in zip(ids, ours, theirs, same, strict=True) if not alike]
    found["greedy_ties"] = spread([tie(model, *row) for row in parted])
    draw = SamplingConfig(max_new_tokens=given.tokens, temperature=1.0)
    found["draw_first"] = timed(lambda: writer.write(ids, draw))
    found["draw"] = [timed(lambda: writer.write(ids, draw)) for _ in range(3)]
    torch.manual_seed(1)
    drawn = writer.write(ids, draw)
    torch.manual_seed(1)
    found["draw_seeded"] = [w.ids for w in writer.write(ids, draw)] == [w.ids for w in drawn]
    found["longest"] = max(len(w.ids) for w in drawn)
    found["compiled"] = counters["stats"]["unique_graphs"]  # layers: one for all sizes, in 8 bits two
    rows = list(zip(ids, drawn, strict=True))
    given_by = {"copy": [torch.tensor(w.logprobs) for w in drawn], "policy": [logprobs(model, *row) for row in rows]}
    if not config.model.load_in_4bit:
        exact = copy.deepcopy(model).float()
        given_by["policy_float32"] = [logprobs(exact, *row) for row in rows]
    by = {name: torch.cat(of) for name, of in given_by.items()}
    found["logprob_difference"] = {
        f"{a} from {b}": spread((by[a] - by[b]).abs().tolist())
        for a, b in (("copy", "policy"), ("copy", "policy_float32"), ("policy", "policy_float32"))
        if b in by
    }
    found["ms_a_token"] = round(1000 * min(found["draw"]) / found["longest"], 3)
    if torch.cuda.is_available():
        found["profile"] = profile(writer, ids, draw)
        found["peak_gib"] = torch.cuda.max_memory_reserved() / 2**30
    print(json.dumps(found, indent=1))


def requests(config: Config, tokenizer, rows: int) -> tuple[list[list[dict]], list[list[int]]]:
    """So many requests for problems, as messages and as tokens."""
    asked = [request(config.prompt, p)["prompt"] for p in data.load(config.data).train[:rows]]
    return asked, tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]


def by_vllm(config: Config, rows: int, tokens: int) -> dict:
    """Seconds that vLLM takes for a rollout, with TRL's limit of tokens a batch and its log-probabilities."""
    from vllm import LLM, SamplingParams

    tokenizer = load_tokenizer(config.model)
    _, ids = requests(config, tokenizer, rows)
    shape = AutoConfig.from_pretrained(weights(config.model))
    if hasattr(shape, "quantization_config"):
        del shape.quantization_config
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        shape.save_pretrained(folder)
        llm = LLM(
            folder, load_format="dummy", dtype="bfloat16", max_model_len=config.model.max_length, max_num_seqs=rows,
            max_num_batched_tokens=4096, logprobs_mode="processed_logprobs", gpu_memory_utilization=0.6,
        )  # fmt: skip
    draw = SamplingParams(temperature=1.0, max_tokens=tokens, ignore_eos=True, logprobs=0)
    prompts = [{"prompt_token_ids": row} for row in ids]
    seconds = [timed(lambda: llm.generate(prompts, draw, use_tqdm=False)) for _ in range(4)]
    return {
        "device": torch.cuda.get_device_name(), "model": config.model.name, "rows": rows, "tokens": tokens,
        "first": seconds[0], "draw": seconds[1:], "ms_a_token": round(1000 * min(seconds[1:]) / tokens, 3),
    }  # fmt: skip


@torch.no_grad()
def logprobs(model, prompt: list[int], written) -> torch.Tensor:
    """What a model gives each token that was written."""
    full = torch.tensor([prompt + written.ids], device=model.device)
    logits = model(full).logits[0, len(prompt) - 1 : -1].float()
    return logits.log_softmax(-1).gather(1, full[0, len(prompt) :, None])[:, 0].cpu()


@torch.no_grad()
def tie(model, prompt: list[int], ours: list[int], theirs: list[int]) -> float:
    """By how much the policy's logits of the first two tokens that differ are apart."""
    at = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    logits = model(torch.tensor([prompt + ours[:at]], device=model.device)).logits[0, -1].float()
    return abs(logits[ours[at]] - logits[theirs[at]]).item()


def spread(values: list[float]) -> dict[str, float]:
    return {"mean": sum(values) / len(values), "max": max(values)} if values else {}


def timed(work) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return round(time.perf_counter() - began, 4)


def profile(writer, ids, draw) -> list[str]:
    """The kernels that take most of a rollout's time."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen:
        writer.write(ids, draw)
        torch.cuda.synchronize()
    events = sorted(seen.key_averages(), key=lambda e: -e.self_device_time_total)[:14]
    return [f"{e.self_device_time_total / 1000:8.1f} ms {e.count:7d} {e.key[:90]}" for e in events]


if __name__ == "__main__":
    main()
