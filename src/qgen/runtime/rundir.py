"""The directory of one stage of one run: whose it is, whether it is complete, and where to go on from.

Torch-free, so that a refusal comes at once.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from qgen.config import STAGES, Config, to_yaml

CONFIG = "config.yaml"
SUMMARY = "summary.json"  # written last: a stage that has one is complete
ADAPTER = "adapter"
STATE = "qgen_state.json"  # written last into a checkpoint, which makes it a whole one
_CHECKPOINT_FILES = (
    "adapter_model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
    "trainer_state.json",
    STATE,
)
_NOT_COMPARED = ("resume", "overwrite")
_OURS = ("*.jsonl", "*.json", CONFIG, "checkpoint-*", ADAPTER)


@dataclass(frozen=True)
class Claim:
    """What a stage may do in its directory."""

    complete: bool = False  # nothing is left to do
    checkpoint: Path | None = None  # go on from here
    note: str = ""  # what to tell the user


def claim(config: Config, out: Path) -> Claim:
    """Decide whether a stage starts, goes on, or has nothing to do; write config.yaml where it starts.

    Raises RuntimeError where the directory holds another config's run, or one that was not finished, and
    neither resume nor overwrite says what to do with it.
    """
    written = out / CONFIG
    if config.overwrite and out.exists():
        _clear(out)
    if not written.exists():
        out.mkdir(parents=True, exist_ok=True)
        written.write_text(to_yaml(config), encoding="utf-8")
        return Claim()
    changed = differences(written.read_text(encoding="utf-8"), to_yaml(config))
    complete = (out / SUMMARY).exists()
    if changed and not config.resume:
        raise RuntimeError(
            f"{out} holds the run of another config ({'; '.join(changed[:4])}{'; ...' if len(changed) > 4 else ''}). "
            f"Choose another run_name, or resume=true to go on with the new config, or overwrite=true to start again"
        )
    if complete and not changed:
        return Claim(complete=True, note=f"{out} is complete; overwrite=true trains it again")
    if not config.resume:
        raise RuntimeError(
            f"{out} holds an unfinished run of this config: resume=true goes on from its last checkpoint, "
            f"overwrite=true starts again"
        )
    checkpoint, note = last_checkpoint(out)
    (out / SUMMARY).unlink(missing_ok=True)
    written.write_text(to_yaml(config), encoding="utf-8")
    if changed:
        note = f"{note}; changed: {'; '.join(changed)}"
    return Claim(checkpoint=checkpoint, note=note)


def last_checkpoint(out: Path) -> tuple[Path | None, str]:
    """The newest whole checkpoint of a stage and a note about it; (None, note) where none was written yet.

    Raises RuntimeError where there are checkpoints and all are half written.
    """
    found = sorted(out.glob("checkpoint-*"), key=lambda p: int(p.name.removeprefix("checkpoint-")), reverse=True)
    broken = []
    for checkpoint in found:
        lack = missing(checkpoint)
        if lack is None:
            skipped = f" ({', '.join(broken)}: skipped)" if broken else ""
            return checkpoint, f"resuming from {checkpoint.name}{skipped}"
        broken.append(f"{checkpoint.name} is half written, it has no whole {lack}")
    if broken:
        raise RuntimeError(f"{out}: {'; '.join(broken)}. overwrite=true starts the stage again")
    return None, "resuming: no checkpoint had been written yet, so from the first step"


def missing(checkpoint: Path) -> str | None:
    """The first file that a checkpoint lacks, or that is empty or broken; None where it is whole."""
    for name in _CHECKPOINT_FILES:
        path = checkpoint / name
        if not path.is_file() or not path.stat().st_size:
            return name
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                return name
    return None


def starting_adapter(config: Config) -> Path | None:
    """The adapter that a stage starts from, by stage.init_from; None for the base model.

    Raises RuntimeError where the stage before is not finished, or the path holds no adapter.
    """
    if config.stage.init_from == "base":
        return None
    if config.stage.init_from != "auto":
        return adapter_at(Path(config.stage.init_from))
    home = Path(config.output_dir) / config.run_name
    for stage in reversed(STAGES[: STAGES.index(config.stage.name)]):
        if (home / stage / SUMMARY).exists():
            return adapter_at(home / stage)
        if (home / stage / CONFIG).exists():
            raise RuntimeError(
                f"{home / stage} is not finished, so {config.stage.name} cannot start from it: finish it with "
                f"stage={stage} resume=true, or set stage.init_from=base"
            )
    return None


def adapter_at(path: Path) -> Path:
    """An adapter's directory: the path itself, a checkpoint, or a stage's or run's directory that holds one."""
    for place in (path, path / ADAPTER, *(path / stage / ADAPTER for stage in reversed(STAGES))):
        if (place / "adapter_config.json").is_file():
            weights = place / "adapter_model.safetensors"
            if not weights.is_file() or not weights.stat().st_size:
                raise RuntimeError(f"{place} is half written: it has no adapter_model.safetensors")
            return place
    what = "holds no adapter (adapter_config.json)" if path.exists() else "does not exist"
    raise RuntimeError(f"stage.init_from: {path} {what}")


def differences(before: str, after: str) -> list[str]:
    """The keys in which two configs differ, as 'key: before -> after'."""
    old, new = (_flat(OmegaConf.to_container(OmegaConf.create(text))) for text in (before, after))
    for key in _NOT_COMPARED:
        old.pop(key, None), new.pop(key, None)
    return [
        f"{k}: {old.get(k, 'absent')} -> {new.get(k, 'absent')}" for k in sorted(old | new) if old.get(k) != new.get(k)
    ]


def _flat(node: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for name, child in node.items() for k, v in _flat(child, f"{prefix}.{name}".lstrip(".")).items()}


def _clear(out: Path) -> None:
    """Remove what a run writes, and nothing else that a user may have put beside it."""
    for pattern in _OURS:
        for path in out.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
