"""Completions from a model outside of GRPO's own loop: for validation, evaluation, best-of-n and solvers.

transformers' `generate` runs a batch until its last row has ended, and one problem in sixty runs on to the limit: with
69 tokens a row on average, two thirds of what it computes is thrown away. Here rows leave the batch as they end.
"""

import math
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora.layer import Linear as LoraLinear
from peft.tuners.lora.layer import LoraLayer
from transformers import BatchEncoding, DynamicCache, PreTrainedModel, PreTrainedTokenizerBase
from transformers.generation import TopPLogitsWarper

from qgen.engine.compiled import CompiledWriter, ended, ladder
from qgen.engine.completion import Completion, Wrote, silent
from qgen.engine.decoder import bytes_short, unsupported
from qgen.runtime import memory, shards
from qgen.runtime.finite import NotFiniteError
from qgen.runtime.strict import require
from qgen.settings.choices import COPIES, Rollout
from qgen.settings.model import ModelConfig
from qgen.settings.sampling import SamplingConfig

STAY = 0.75  # share of a batch's rows that still write, at which those that have ended are taken out


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[dict[str, str]]],
    sampling: SamplingConfig,
    seed: int,
    wrote: Wrote = silent,
    writer: CompiledWriter | None = None,
) -> list[Completion]:
    """One completion a prompt, in the prompts' order.

    The same seed gives the same completions on the same machine, and the training's own random numbers are left
    as they were. Prompts of like length are generated together, sampling.batch_size at once.

    Args:
        wrote: is called with each prompt's number and its completion as soon as that has ended.
        writer: writes them from its copy of the model, taken anew, and given back where it is not resident.

    Raises NotFiniteError where the model's log-probabilities are NaN.
    """
    texts = tokenizer.apply_chat_template(prompts, add_generation_prompt=True, tokenize=False)
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i], i))
    stops = ends(model, tokenizer)
    found: dict[int, Completion] = {}

    def keep(place: int, row: list[int]) -> None:
        number = order[place]
        found[number] = Completion(tokenizer.decode(row, skip_special_tokens=True), len(row), row[-1] in stops)
        wrote(number, found[number])

    with _writing(model), writer.fresh() if writer else _merged(model), torch.random.fork_rng():
        torch.manual_seed(seed)
        if writer is not None:
            ids = tokenizer([texts[i] for i in order], add_special_tokens=False)["input_ids"]
            written = writer.write(ids, sampling, sampling.batch_size, lambda place, row: keep(place, row.ids))
            _finite(all(math.isfinite(value) for w in written for value in w.logprobs))
        else:
            for start in range(0, len(order), sampling.batch_size):
                batch = [texts[i] for i in order[start : start + sampling.batch_size]]
                inputs = tokenizer(batch, return_tensors="pt", padding=True, add_special_tokens=False)
                own = hasattr(model, "for_inference")  # Unsloth's, whose layers want its own loop
                rows = (_by_transformers if own else decode)(model, inputs.to(model.device), sampling, stops)
                for place, row in enumerate(rows, start):
                    keep(place, row)
    return [found[i] for i in range(len(prompts))]


def decode(model: PreTrainedModel, inputs: BatchEncoding, sampling: SamplingConfig, ends: set[int]) -> list[list[int]]:
    """The tokens written after each row of a batch that is padded on the left, up to and with one of `ends`.

    Raises NotFiniteError where a logit is NaN.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    position = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    written: list[list[int]] = [[] for _ in range(len(ids))]
    broken = torch.zeros((), dtype=torch.bool, device=ids.device)
    rows = torch.arange(len(ids))  # of `written`, for each row that is still in the batch
    for _ in range(sampling.max_new_tokens):
        logits = model(
            input_ids=ids, attention_mask=mask, position_ids=position, past_key_values=cache, logits_to_keep=1
        ).logits[:, -1]
        broken = broken | logits.isnan().any()
        chance = torch.rand(len(written), device=logits.device)[rows.to(logits.device)]  # a row's own, whoever has left
        ids = draw(logits.float(), chance, sampling)[:, None]
        for row, token in zip(rows.tolist(), ids[:, 0].tolist(), strict=True):
            if not written[row] or written[row][-1] not in ends:
                written[row].append(token)
        going = torch.tensor([written[row][-1] not in ends for row in rows.tolist()])
        if not going.any():
            break
        position, mask = position[:, -1:] + 1, torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        if going.float().mean() <= STAY:
            kept = going.nonzero()[:, 0].to(ids.device)
            cache.batch_select_indices(kept)
            ids, position, mask, rows = ids[kept], position[kept], mask[kept], rows[going]
    _finite(not broken)
    return written


def _finite(fine: bool) -> None:
    if not fine:
        raise NotFiniteError(
            "the model's log-probabilities are NaN while it writes: its weights or its attention are broken; set "
            "model.attn_implementation=eager or model.dtype=float32, or begin from other weights"
        )


def _by_transformers(
    model: PreTrainedModel, inputs: BatchEncoding, sampling: SamplingConfig, ends: set[int]
) -> list[list[int]]:
    """What `decode` returns, from the model's own `generate`."""
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0} if sampling.temperature else {}
    rows = model.generate(
        **inputs, max_new_tokens=sampling.max_new_tokens, do_sample=bool(drawn), eos_token_id=sorted(ends), **drawn
    )[:, inputs["input_ids"].shape[1] :].tolist()
    return [ended(row, ends) for row in rows]


def draw(logits: torch.Tensor, chance: torch.Tensor, sampling: SamplingConfig) -> torch.Tensor:
    """A token a row, of shape (rows,), by inverse transform sampling: torch.multinomial draws a number for every token
    of the vocabulary, which costs as much as a third of the model. At temperature 0 the likeliest.

    Args:
        logits: of shape (rows, vocabulary).
        chance: uniform in [0, 1), of shape (rows,).
    """
    if not sampling.temperature:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(None, logits)
    total = logits.softmax(-1).cumsum(-1)
    return torch.searchsorted(total, chance[:, None] * total[:, -1:], right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


@contextmanager
def _merged(model: PreTrainedModel):
    """The adapter added into the weights while the model writes, which halves what is launched for a token.

    Afterwards the weights are what they were to the bit, which subtracting the adapter again would not promise. That
    takes a copy of them: quantized weights, and weights whose copy does not fit, stay as they are. In bfloat16 the sum
    is rounded, so that what is written differs from the adapter beside the weights by that much.
    """
    layers: list[Any] = [m for m in model.modules() if isinstance(m, LoraLayer) and not m.disable_adapters]
    weights = [layer.get_base_layer().weight for layer in layers]
    plain = all(type(layer) is LoraLinear and w.is_floating_point() for layer, w in zip(layers, weights, strict=True))
    if not plain or sum(w.nbytes for w in weights) > memory.free() // 2:
        yield
        return
    before = [weight.detach().clone() for weight in weights]
    try:
        for layer in layers:
            layer.merge()
        yield
    finally:
        for layer, weight, was in zip(layers, weights, before, strict=True):
            weight.data.copy_(was)
            layer.merged_adapters.clear()


def choose(
    config: ModelConfig, rows: int, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, resident: bool = True
) -> tuple[CompiledWriter | None, str]:
    """Who writes by model.rollout, None being `generate`, and why, in words.

    Args:
        rows: completions that are written at once, at most.
        resident: hold a copy between rollouts.

    Raises RuntimeError where a copy that was asked for by name does not fit, saying how much is missing, and
    ImportError where vLLM was asked for and is not there.
    """
    if config.rollout is Rollout.vllm:
        require("vllm", "pip install 'qgen[vllm]', or set model.rollout=auto")
        return None, "vllm in GRPO, by TRL; generate elsewhere"
    if shards.planned():
        return None, "generate (the weights are sharded: whole on each GPU while it writes)"
    if config.rollout is Rollout.generate or (config.rollout is Rollout.auto and model.device.type != "cuda"):
        return None, "generate" if config.rollout is Rollout.generate else "generate (no GPU)"
    asked = COPIES if config.rollout is Rollout.auto else [config.rollout]
    dtype = model.get_input_embeddings().weight.dtype
    reason = unsupported(model.config)
    if reason is None:
        for rollout in asked:
            int8 = rollout is Rollout.compiled_int8
            held = ladder(rows)  # as the writer rounds them up
            short = bytes_short(model.config, dtype.itemsize, int8, held, config.max_length, memory.free())
            if not short:
                why = f"a copy in {'8 bits' if int8 else dtype} fits"
                writer = CompiledWriter(model, ends(model, tokenizer), tokenizer.pad_token_id, int8, resident)
                return writer, f"{rollout.value} ({why})"
            reason = f"{short / 2**30:.1f} GiB short of room for {rollout.value}'s copy of the weights and its cache"
    if config.rollout is Rollout.auto:
        return None, f"generate ({reason})"
    raise RuntimeError(f"model.rollout={config.rollout.value}: {reason}; set model.rollout=auto or generate")


def rollout_of(writer: CompiledWriter | None) -> Rollout:
    """Which rollout `generate` uses: from the same seed, another rollout writes other completions."""
    if writer is None:
        return Rollout.generate
    return Rollout.compiled_int8 if writer.decoder.int8 else Rollout.compiled


def ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """The tokens that end a turn: some models have others than the tokenizer's."""
    also = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(also if isinstance(also, list) else [also])} - {None}


@contextmanager
def _writing(model: PreTrainedModel):
    """Evaluation mode without gradients, and back to what it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
        if training and hasattr(model, "for_training"):
            model.for_training()  # Unsloth's `generate` turned checkpointing off, for good in evaluation mode
