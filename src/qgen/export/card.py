"""The model card: what the model is, what it was made of, how well it writes, and under which licences."""

from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from qgen.data.apart import lineage
from qgen.export.trained import TrainedModel
from qgen.models import packaged
from qgen.runs import rundir
from qgen.runs.files import Row, read_json
from qgen.runs.origin import started_from
from qgen.settings.choices import Format
from qgen.text.markdown import line
from qgen.version import __version__

_LIBRARY = {Format.adapter: "peft", Format.merged: "transformers", Format.gguf: "gguf", Format.ollama: "gguf"}


def text(source: TrainedModel, format: Format, proof: list[str]) -> str:
    """A README.md with the hub's metadata at its head.

    Args:
        proof: what was found when the format was made, a line each.
    """
    run = source.run
    parts = [
        f"# {source.name}",
        f"A model that writes competition mathematics problems: {_base_words(source)}, trained by qgen {__version__} "
        f"({_course(source)}).",
        "## How to ask it",
        _prompting(source, format),
        "## Data",
        _data(source),
        "## Training",
        _training(source),
        "## Evaluation",
        _evaluation(source),
        "## What it cannot do",
        _limits(source),
        "## This copy",
        "\n".join(f"- {line}" for line in [*proof, *_provenance(source)]),
        "## Licences",
        _licences(source),
    ]
    return f"---\n{_metadata(source, format, run.prompt.language.value)}---\n\n" + "\n\n".join(parts) + "\n"


def licence(source: TrainedModel) -> str | None:
    """The base model's licence; None where its card is not on this machine."""
    model = source.run.model
    if model.architecture:
        return None
    if model.name in packaged.MODELS:
        return packaged.MODELS[model.name].licence
    try:
        found = Path(model.name, "README.md") if Path(model.name).exists() else _cached(model.name)
        return ModelCard.load(found).data.license if found and found.is_file() else None
    except (OSError, ValueError):
        return None


def _cached(name: str) -> Path | None:
    try:
        found = try_to_load_from_cache(name, "README.md")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _metadata(source: TrainedModel, format: Format, language: str) -> str:
    base = packaged.original(source.run.model.name) or source.hub_name
    known: dict[str, Any] = {
        "language": language,
        "license": licence(source),
        "library_name": _LIBRARY[format],
        "pipeline_tag": "text-generation",
        "base_model": None if source.run.model.architecture else base,
        "tags": ["qgen", "mathematics", "problem-generation", *(["lora"] if format is Format.adapter else [])],
        "datasets": sorted({p.source for p in source.corpus.train if "/" in p.source}) or None,
    }
    return ModelCardData(**{key: value for key, value in known.items() if value}).to_yaml() + "\n"


def _base_words(source: TrainedModel) -> str:
    model = source.run.model
    if model.architecture:
        return f"**random weights**, of the shape {model.architecture}"
    if (found := packaged.MODELS.get(model.name)) is not None:
        taken = str(found.dtype).removeprefix("torch.")
        return f"{found.original} out of {found.package} (4 bits, taken back to {taken}; sha256 {found.sha256[:16]}…)"
    return model.name


def _prompting(source: TrainedModel, format: Format) -> str:
    run, asked = source.run, source.requests[0]
    text = source.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    s = run.sampling
    base = {
        Format.adapter: "\n\nThe adapter belongs on exactly the base that is named under *This copy*.",
        Format.ollama: "\n\n`ollama create NAME -f Modelfile`, then ask with the user's part of the prompt alone.",
    }
    return (
        f"It was trained on one form of request, through the tokenizer's chat template, and samples at temperature "
        f"{s.temperature:g}, top_p {s.top_p:g}, up to {s.max_new_tokens} tokens:\n\n````text\n{text}\n````\n\n"
        f"Topics that it knows: {line(', '.join(sorted({p.topic for p in source.corpus.train})))}. "
        f"Levels run from 1 to 5." + base.get(format, "")
    )


def _data(source: TrainedModel) -> str:
    corpus = source.corpus
    train, held = (Counter((p.source, p.licence) for p in part) for part in (corpus.train, corpus.heldout))
    rows = [
        f"| {line(name) or 'not named'} | {line(terms) or 'not named'} | {train[name, terms]} | {held[name, terms]} |"
        for name, terms in sorted(train | held)
    ]
    return "\n".join(
        [
            "| source | licence | trained on | held out |", "| --- | --- | ---: | ---: |", *rows, "",
            f"{corpus.read} problems were read; dropped: {line(corpus.reasons())}. Training rows hash to "
            f"`{source.environment.get('data')}`, those held out to `{source.environment.get('heldout')}`.",
        ]
    )  # fmt: skip


def _training(source: TrainedModel) -> str:
    rows = ["| stage | steps (kept) | batch | learning rate | schedule | held-out loss | held-out reward |",
            "| --- | ---: | ---: | ---: | --- | ---: | ---: |"]  # fmt: skip
    for config, summary in _stages(source):
        stage = config.stage
        batch = stage.per_device_train_batch_size * stage.gradient_accumulation_steps
        loss, reward = (_change(summary[key]) for key in ("heldout_loss", "reward"))
        rows.append(
            f"| {stage.name} | {summary['steps']} ({summary['kept_step']}) | {batch} | {stage.learning_rate:g} | "
            f"{stage.lr_scheduler_type.value}, {stage.warmup_steps} warm-up | {loss} | {reward} |"
        )
    lora, model = source.run.model.lora, source.run.model
    four = (
        " It was trained on the base in 4 bits (NF4); merged forms add it to the base as it is without them, which no "
        "measurement of the training saw." if model.load_in_4bit else ""
    )  # fmt: skip
    return "\n".join(rows) + (
        f"\n\nLoRA of rank {lora.r}, alpha {lora.alpha}, on {', '.join(lora.target_modules)}; {model.dtype.value}, "
        f"rows of up to {model.max_length} tokens, seed {source.run.seed}.{four} Held-out figures are the "
        f"validation's, before and after, by which the checkpoint was chosen: they flatter."
    )


def _evaluation(source: TrainedModel) -> str:
    found = _evaluated(source)
    if found is None:
        return f"Not evaluated. `python -m qgen.evaluate run=outputs/{source.run.run_name}` measures what it writes."
    rows = {row["name"]: row for row in found["rows"]}
    shown = [name for name in ("base", source.run.stage.name, "real") if name in rows]
    lines = ["| | better | " + " | ".join(shown) + " |", "| --- | --- |" + " ---: |" * len(shown)]
    for metric in found["metrics"]:
        values = [rows[name]["values"][metric["name"]] for name in shown]
        if any(values):
            failed = metric["passed"] is False
            cells = " | ".join("✗" if failed else _value(value, metric["unit"] == "share") for value in values)
            lines.append(f"| {metric['label']} | {metric['better']} | {cells} |")
    notes = [f"{len(found['seeds'])} × {found['n']} outputs, unfiltered, to {found['prompts']} held-out requests; in "
             f"brackets 95 % intervals. ✗: the metric does not tell real problems from the control that it is meant "
             f"to catch, and is no result. *real* are problems by people.", *found["notes"]]  # fmt: skip
    return "\n".join(lines) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def _evaluated(source: TrainedModel) -> Row | None:
    """The run's own figures, unless the stage was trained again after them."""
    for folder in (source.home.parent, source.home):
        path = folder / "evaluation" / "evaluation.json"
        found = read_json(path)
        names = {row["name"] for row in found.get("rows", [])}
        if source.run.stage.name in names and path.stat().st_mtime >= (source.home / rundir.SUMMARY).stat().st_mtime:
            return found
    return None


def _value(value: list[float] | None, share: bool) -> str:
    if value is None:
        return "–"
    form = "{:.0%} ({:.0%}–{:.0%})" if share else "{:.2f} ({:.2f}–{:.2f})"
    return form.format(*value)


def _change(pair: list[float | None]) -> str:
    return " → ".join("–" if value is None else f"{value:.3f}" for value in pair)


def _limits(source: TrainedModel) -> str:
    lines = [
        "What it writes is text, not checked mathematics: answers may be wrong, conditions missing or contradictory. "
        "Have a person or a solver look at each problem; `qgen.generate` filters and attributes, and proves nothing.",
        "Problems may resemble those it was trained on. Do not use them as unseen test items without a search.",
        "It was trained on the topics, the language and the form of request above, and on no others.",
    ]
    if source.run.model.architecture:
        lines.insert(0, "**Its base is random weights: it writes nothing that means anything.**")
    return "\n".join(f"- {line}" for line in lines)


def _provenance(source: TrainedModel) -> list[str]:
    environment = source.environment
    commit = environment.get("git")
    return [
        f"base: `{environment.get('model')}`",
        f"adapter: `{rundir.fingerprint(source.adapter)}`, stage {source.run.stage.name} of run {source.run.run_name}",
        *([f"qgen's commit: `{commit}`"] if commit else []),
    ]


def _licences(source: TrainedModel) -> str:
    terms = sorted({p.licence or "not named" for p in source.corpus.train})
    base = licence(source) or "not known here: see the base model's own card"
    if source.run.model.architecture:
        base = "none, its weights are random"
    return f"The base model's: {base}. The training problems': {', '.join(terms)}. Both apply to what you do with this."


def _homes(source: TrainedModel) -> list[Path]:
    """The directories of the finished stages that led to this one, the last first, as far back as they are here."""
    return list(takewhile(lambda home: (home / rundir.SUMMARY).is_file(), lineage(source.adapter)))


def _stages(source: TrainedModel) -> list[tuple[Any, Row]]:
    """Their configs and summaries, the first first."""
    return [(rundir.config_at(home), read_json(home / rundir.SUMMARY)) for home in reversed(_homes(source))]


def _course(source: TrainedModel) -> str:
    """What it was trained from, stage by stage."""
    started = started_from(_homes(source)[-1])
    before = [] if started == "base" else [f"{started}, which is not known here"]
    return " → ".join([*before, *(config.stage.name for config, _ in _stages(source))])
