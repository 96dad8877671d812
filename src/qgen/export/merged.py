"""Format merged: the adapter added into the base's weights, in transformers' safetensors."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qgen.export.agreement import Agreement, Tolerance, compare, logits
from qgen.export.trained import TrainedModel
from qgen.models import model

# A sum of float32 is exact to seven digits; one of bfloat16 to two or three, which is what both models are made of.
TOLERANCE = {
    torch.float32: Tolerance(max_abs=1e-3, kl=1e-6, top1=0.999),
    torch.float16: Tolerance(max_abs=1.0, kl=1e-3, top1=0.98),
    torch.bfloat16: Tolerance(max_abs=4.0, kl=1e-2, top1=0.95),
}


def write(source: TrainedModel, out: Path) -> Agreement:
    """Merge, write, load what was written, and compare its logits with those of the adapter on the base.

    Raises RuntimeError where they differ by more than TOLERANCE, or the base is not what was trained.
    """
    base = model.load_base(source.model, source.tokenizer, source.run.seed)
    _same_base(source, base)
    with model.adapted(base, source.adapter) as policy:
        policy.eval()
        reference = logits(policy, source.tokenizer, source.rows)
    policy = model.with_adapter(base, source.adapter)
    merged = policy.merge_and_unload(safe_merge=True)
    merged.save_pretrained(out)
    source.tokenizer.save_pretrained(out)
    del base, policy, merged
    agreement = compare(reference, logits(*load(out, source), source.rows))
    check(agreement, TOLERANCE[model.resolve_dtype(source.model.dtype)], "the merged model")
    return agreement


def load(path: Path, source: TrainedModel) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A merged model as anyone would load it, in the precision that it was written in."""
    found = AutoModelForCausalLM.from_pretrained(
        path,
        trust_remote_code=False,
        dtype=model.resolve_dtype(source.model.dtype),
        attn_implementation=source.model.attn_implementation,
        device_map={"": torch.cuda.current_device()} if torch.cuda.is_available() else None,
    )
    return found.eval(), AutoTokenizer.from_pretrained(path, trust_remote_code=False)


def check(agreement: Agreement, tolerance: Tolerance, what: str) -> None:
    """Raise RuntimeError where two models are not the same."""
    if not agreement.within(tolerance):
        raise RuntimeError(
            f"{what} is not the model that was trained: {agreement}; at most {tolerance.max_abs:g}, {tolerance.kl:g} "
            f"nats and at least {tolerance.top1:.1%} are allowed. It was not kept"
        )


def _same_base(source: TrainedModel, base: PreTrainedModel) -> None:
    was, now = source.environment.get("model"), model.fingerprint(source.run.model, base)
    if was != now:
        raise RuntimeError(f"{source.home} was trained on another base ({was}) than model.name gives now ({now})")
