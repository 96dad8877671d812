"""Tokens a second of whoever writes: python benchmarks/engine.py --out FILE [--engines NAME ...] [key=value ...]

Each engine is a process of its own with the same weights in 16 bits, the same LoRA adapter and the same requests for
problems, eight of each, which end where the model ends them. It writes every number of requests once to warm up and
then three times; FILE keeps what is there after each, so that a killed run loses nothing, and --show prints it.

    qgen        the compiled copy, rows replaced as they end
    generate    qgen's loop over transformers' own layers, the adapter merged
    static      transformers' generate with a static cache, the adapter merged
    continuous  transformers' continuous batching, the adapter merged
    unsloth     Unsloth's generate, the adapter beside its weights
    vllm        vLLM by itself, the adapter handed over beside its weights

The floor is what reading the weights and the cache once a token takes at the speed of a copy on this machine, or the
products at that of a large product, whichever is longer, with rows of the mean length.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from qgen import data
from qgen.data.prompts import request
from qgen.models.model import load, load_tokenizer, resolve_dtype, weights
from qgen.reporting.tables import plain_table, show
from qgen.runs.files import read_json, write_json
from qgen.settings.choices import Backend
from qgen.settings.compose import composed
from qgen.settings.config import Config
from qgen.settings.sampling import SamplingConfig

GROUP, REPEATS = 8, 3
Writer = Callable[[list[list[int]]], int]  # token ids of requests -> tokens written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--requests", nargs="*", type=int, default=[8, 64, 256, 512, 2048])
    parser.add_argument("--tokens", type=int, default=512, help="that a request may be answered with")
    parser.add_argument("--at-once", type=int, default=1024, help="rows of qgen's copy")
    parser.add_argument("--seconds", type=int, default=300, help="that an engine may take in all")
    parser.add_argument("--show", action="store_true", help="print FILE, and measure nothing")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="of the config, as on qgen's command line")
    given = parser.parse_intermixed_args()
    if given.one:
        measure(given)
        return
    if not given.show:
        for engine in given.engines:
            line = [sys.executable, __file__, "--one", engine, *sys.argv[1:]]
            try:
                code = subprocess.run(line, timeout=given.seconds, check=False).returncode
            except subprocess.TimeoutExpired:
                code = f"its {given.seconds} s were over"
            if code:
                print(f"{engine}: {code}", flush=True)
    show(table(read_json(given.out)))


def measure(given: argparse.Namespace) -> None:
    """Time one engine at each number of requests."""
    config = composed(["stage=grpo", "reward=seed", *given.overrides])
    tokenizer = load_tokenizer(config.model)
    problems = data.load(config.data).train
    with tempfile.TemporaryDirectory() as folder:
        sampling = SamplingConfig(max_new_tokens=given.tokens, temperature=1.0, batch_size=given.at_once)
        began = time.perf_counter()
        write = ENGINES[given.one](config, Path(folder), sampling, max(given.requests))
        ready = time.perf_counter() - began
        for count in given.requests:
            asked = [request(config.prompt, problems[i % len(problems)])["prompt"] for i in range(-(-count // GROUP))]
            ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
            ids = [row for row in ids for _ in range(GROUP)][:count]
            runs = [timed(write, ids) for _ in range(REPEATS + 1)]
            found = read_json(given.out)
            kept = [row for row in found.get("rows", []) if (row["engine"], row["requests"]) != (given.one, count)]
            row = {
                "engine": given.one, "requests": count, "limit": given.tokens, "ready": round(ready, 1),
                "first": runs[0], "runs": runs[1:], "prompt": round(statistics.mean(map(len, ids))),
            }  # fmt: skip
            write_json(given.out, found | {"machine": found.get("machine") or machine(config), "rows": [*kept, row]})
            print(given.one, count, runs, flush=True)


def timed(write: Writer, ids: list[list[int]]) -> dict[str, float]:
    synchronize()
    began = time.perf_counter()
    tokens = write(ids)
    synchronize()
    return {"seconds": round(time.perf_counter() - began, 4), "tokens": tokens}


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def policy(config: Config):
    """The model with an adapter whose weights are drawn at random, small enough for sense to be left."""
    model, tokenizer = load(config.model, None, 0)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.003)
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval(), tokenizer


def qgen(config: Config, folder: Path, sampling: SamplingConfig, most: int) -> Writer:
    from qgen.engine import rollout
    from qgen.engine.compiled import CompiledWriter

    model, tokenizer = policy(config)
    writer = CompiledWriter(model, rollout.ends(model, tokenizer), tokenizer.pad_token_id)
    writer.decoder.refresh()
    return lambda ids: sum(len(w.ids) for w in writer.write(ids, sampling, sampling.batch_size))


def generate(config: Config, folder: Path, sampling: SamplingConfig, most: int) -> Writer:
    from qgen.engine import rollout

    model, tokenizer = policy(config)
    model, ends = model.merge_and_unload(), rollout.ends(model, tokenizer)

    def write(ids: list[list[int]]) -> int:
        with torch.no_grad():
            return sum(len(row) for row in rollout.decode(model, padded(ids, tokenizer, model.device), sampling, ends))

    return write


def static(config: Config, folder: Path, sampling: SamplingConfig, most: int, **more) -> Writer:
    from qgen.engine import rollout
    from qgen.engine.compiled import ended

    model, tokenizer = policy(config)
    model, ends = model.merge_and_unload(), rollout.ends(model, tokenizer)

    def write(ids: list[list[int]]) -> int:
        inputs = padded(ids, tokenizer, model.device)
        rows = model.generate(**inputs, max_new_tokens=sampling.max_new_tokens, do_sample=True, temperature=1.0,
                              top_k=0, eos_token_id=sorted(ends), cache_implementation="static")  # fmt: skip
        return sum(len(ended(row, ends)) for row in rows[:, inputs["input_ids"].shape[1] :].tolist())

    return write


def continuous(config: Config, folder: Path, sampling: SamplingConfig, most: int) -> Writer:
    from transformers import GenerationConfig

    from qgen.engine import rollout

    model, tokenizer = policy(config)
    model, ends = model.merge_and_unload(), rollout.ends(model, tokenizer)
    wanted = GenerationConfig(max_new_tokens=sampling.max_new_tokens, do_sample=True, temperature=1.0, top_k=0,
                              eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id)  # fmt: skip

    sized = 0

    def write(ids: list[list[int]]) -> int:
        nonlocal sized
        if len(ids) != sized:  # its cache and graphs are made for the first requests, and kept for those that follow
            model.destroy_cached_continuous_batching_manager()
            sized = len(ids)
        found = model.generate_batch(inputs=ids, generation_config=wanted, persistent_manager=True)
        return sum(len(one.generated_tokens) for one in found.values())

    return write


def unsloth(config: Config, folder: Path, sampling: SamplingConfig, most: int) -> Writer:
    from qgen.engine import rollout
    from qgen.engine.compiled import ended
    from qgen.models.unsloth import enter

    enter(folder)
    config.model.backend = Backend.unsloth
    model, tokenizer = policy(config)
    ends = rollout.ends(model, tokenizer)
    model.for_inference()

    def write(ids: list[list[int]]) -> int:
        inputs = padded(ids, tokenizer, model.device)
        with torch.no_grad():
            rows = model.generate(**inputs, max_new_tokens=sampling.max_new_tokens, do_sample=True, temperature=1.0,
                                  top_k=0, eos_token_id=sorted(ends))  # fmt: skip
        return sum(len(ended(row, ends)) for row in rows[:, inputs["input_ids"].shape[1] :].tolist())

    return write


def vllm(config: Config, folder: Path, sampling: SamplingConfig, most: int) -> Writer:
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    model, tokenizer = policy(config)
    model.save_pretrained(folder / "adapter")
    tokenizer.save_pretrained(folder / "tokenizer")
    del model
    torch.cuda.empty_cache()
    llm = LLM(
        weights(config.model), tokenizer=str(folder / "tokenizer"), dtype="bfloat16",
        max_model_len=config.model.max_length, max_num_seqs=min(most, 1024), gpu_memory_utilization=0.85,
        enable_lora=True, max_lora_rank=config.model.lora.r,
    )  # fmt: skip
    draw = SamplingParams(temperature=1.0, max_tokens=sampling.max_new_tokens)
    adapter = LoRARequest("policy", 1, str(folder / "adapter"))

    def write(ids: list[list[int]]) -> int:
        found = llm.generate([{"prompt_token_ids": row} for row in ids], draw, lora_request=adapter, use_tqdm=False)
        return sum(len(one.outputs[0].token_ids) for one in found)

    return write


ENGINES: dict[str, Callable[[Config, Path, SamplingConfig, int], Writer]] = {
    "qgen": qgen, "vllm": vllm, "unsloth": unsloth, "static": static, "continuous": continuous, "generate": generate,
}  # fmt: skip


def padded(ids: list[list[int]], tokenizer, device):
    return tokenizer.pad({"input_ids": ids}, padding_side="left", return_tensors="pt").to(device)


def machine(config: Config) -> dict:
    """The device, its ceilings, and what a token of this model reads and multiplies."""
    from transformers import AutoConfig

    shape = AutoConfig.from_pretrained(weights(config.model))
    width = getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads
    attention = 2 * (shape.num_attention_heads + shape.num_key_value_heads) * width * shape.hidden_size
    layers = shape.num_hidden_layers * (attention + 3 * shape.hidden_size * shape.intermediate_size)
    size = torch.empty((), dtype=resolve_dtype(config.model.dtype)).itemsize
    copied, multiplied = ceilings()
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "model": config.model.name,
        "weights": size * (layers + shape.hidden_size * shape.vocab_size),
        "cache": size * 2 * shape.num_hidden_layers * shape.num_key_value_heads * width,
        "products": 2 * (layers + shape.hidden_size * shape.vocab_size),
        "bytes_a_second": copied,
        "products_a_second": multiplied,
    }


def ceilings() -> tuple[float, float]:
    """Bytes a second that a copy reads and writes, and floating-point operations a second of a large product."""
    cuda = torch.cuda.is_available()
    device, dtype, n = ("cuda", torch.bfloat16, 8192) if cuda else ("cpu", torch.float32, 1024)
    a = torch.randn(n, n, device=device, dtype=dtype)
    big = torch.empty(2**31 if cuda else 2**26, dtype=torch.uint8, device=device)
    other = torch.empty_like(big)

    def best(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            synchronize()
            began = time.perf_counter()
            work()
            synchronize()
            times.append(time.perf_counter() - began)
        return min(times)

    return 2 * len(big) / best(lambda: other.copy_(big)), 2 * n**3 / best(lambda: a @ a)


def floor(known: dict, requests: int, prompt: float, tokens: float) -> float:
    """Tokens a second that the machine's ceilings allow."""
    read = known["weights"] / known["bytes_a_second"]
    multiplied = requests * known["products"] / known["products_a_second"]
    cache = requests * (prompt + tokens / 2) * known["cache"] / known["bytes_a_second"]
    return requests / (max(read, multiplied) + cache)


def table(found: dict):
    """Tokens a second, an engine a row."""
    known, rows = found["machine"], found["rows"]
    counts = sorted({row["requests"] for row in rows})
    rates = {(row["engine"], row["requests"]): [run["tokens"] / run["seconds"] for run in row["runs"]] for row in rows}
    mean = {
        count: statistics.mean(run["tokens"] / count for row in rows if row["requests"] == count for run in row["runs"])
        for count in counts
    }
    prompt = {row["requests"]: row["prompt"] for row in rows}
    title = f"tokens a second by the number of requests: {known['model']}, {known['device']}, torch {known['torch']}"
    printed = plain_table(title)
    printed.add_column("engine")
    for count in counts:
        printed.add_column(f"{count:,}", justify="right")
    for engine in dict.fromkeys(row["engine"] for row in rows):
        cells = [statistics.median(rates[engine, n]) if (engine, n) in rates else None for n in counts]
        printed.add_row(engine, *("–" if cell is None else f"{cell:,.0f}" for cell in cells))
    printed.add_row("floor", *(f"{floor(known, n, prompt[n], mean[n]):,.0f}" for n in counts))
    printed.add_row("tokens a request", *(f"{mean[n]:.0f}" for n in counts))
    return printed


if __name__ == "__main__":
    main()
