"""What a run was made with: where its configs leave the defaults, and what it ran on."""

from dataclasses import dataclass

from qgen.reporting.page.runs import Stage
from qgen.runs.rundir import differences
from qgen.settings.compose import composed
from qgen.settings.config import to_yaml
from qgen.settings.stage import STAGES
from qgen.text import redact

_PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "hydra-core", "numpy", "scikit-learn",
             "wandb", "unsloth", "bitsandbytes", "vllm")  # fmt: skip
_NAMES = ("run_name", "output_dir")  # say where a run lies, not what it does


@dataclass
class ConfigKey:
    """A key with the values that it has, each with the stages that have it."""

    key: str
    values: list[tuple[str, str, str]]  # default (empty in `environment`), value, who has it: empty where all have
    differs: bool  # between runs, for the same kind of stage


def changes(stages: list[Stage]) -> tuple[list[ConfigKey], list[str]]:
    """The keys that differ from what `stage=NAME` alone composes to, and why a stage's cannot be told."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    unknown, defaults = [], {}
    for stage in stages:
        if stage.kind not in STAGES:
            unknown.append(f"{stage.label}: stage.name={stage.kind} is none of {', '.join(STAGES)}")
            continue
        if stage.kind not in defaults:
            defaults[stage.kind] = to_yaml(composed([f"stage={stage.kind}"]))
        for key, pair in differences(defaults[stage.kind], stage.text).items():
            if key not in _NAMES:
                found.setdefault(key, {})[stage.label] = pair
    return [_setting(key, values, stages) for key, values in sorted(found.items())], unknown


def environment(stages: list[Stage]) -> list[ConfigKey]:
    """environment.json of all stages, a row a key. Of the packages those that matter most, and those that differ."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for stage in stages:
        for key, value in stage.environment.items():
            parts = value.items() if isinstance(value, dict) else [(None, value)]
            for name, part in parts:
                text = "none" if part is None else redact.text(str(part))
                found.setdefault(f"{key}: {name}" if name else key, {})[stage.label] = "", text
    all_rows = [_setting(key, values, stages) for key, values in found.items()]
    return [row for row in all_rows if not row.key.startswith("packages: ") or row.differs or row.key[10:] in _PACKAGES]


def _setting(key: str, values: dict[str, tuple[str, str]], stages: list[Stage]) -> ConfigKey:
    """Stages with the same value share a line; it names them unless it is all of them."""
    lines: dict[tuple[str, str], list[str]] = {}
    for label, pair in values.items():
        lines.setdefault(pair, []).append(label)
    rows = [(*pair, _who(set(labels), stages)) for pair, labels in lines.items()]
    kinds: dict[str, set] = {}
    for stage in stages:
        kinds.setdefault(stage.kind, set()).add(values.get(stage.label))
    return ConfigKey(key, rows, any(len(seen) > 1 for seen in kinds.values()))


def _who(labels: set[str], stages: list[Stage]) -> str:
    """Who has a value: nobody by name where all have it, a whole run by its own name, else stages."""
    if len(labels) == len(stages):
        return ""
    named = []
    for run in dict.fromkeys(stage.run for stage in stages):
        mine = [stage.label for stage in stages if stage.run == run]
        named += [run] if labels.issuperset(mine) else [label for label in mine if label in labels]
    return ", ".join(named)
