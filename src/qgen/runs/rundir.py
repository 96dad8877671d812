"""The directory of one stage of one run: whose it is, whether it is complete, and where to go on from.

Torch-free, so that a refusal comes at once.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from qgen.runs import weights
from qgen.runs.files import Row, holds_json, prune, read_json, rows, write_rows, write_whole
from qgen.runs.saved import ADAPTER_WEIGHTS, checkpoints, last_checkpoint, step_of
from qgen.runtime import ranks
from qgen.settings.config import Config, from_yaml, to_yaml
from qgen.settings.stage import STAGES
from qgen.text import redact

CONFIG = "config.yaml"
SUMMARY = "summary.json"  # a stage that has one is complete
REPORT = "report.html"  # of a stage or of a pipeline's stages, written after their summaries
ENVIRONMENT = "environment.json"
ADAPTER = "adapter"
BEST = "best"  # holds the adapter of the best validation so far
SAMPLES = "samples.jsonl"  # every completion that counted, with its scores
WINNERS = "winners.jsonl"  # what distillation trains on
DRAFTS = "drafts.jsonl"  # the student's problems that a teacher was asked about
VERDICTS = "verdicts.jsonl"  # what it made of them
OOM = "oom.jsonl"  # what a stage that ran out of memory set, and went on with
NOT_FINITE = "nonfinite.jsonl"  # the steps whose loss or gradient was not finite
BATCH = "nonfinite.pt"  # what the first of them was computed from
_LET_GO = 3.0  # seconds that a process which ends with its killed parent (runtime/orphans.py) may take to
_COMMIT = 40  # characters of a commit's hash
_TEACHERS = (VERDICTS, DRAFTS, WINNERS)
_ROWS = ("metrics.jsonl", "validation.jsonl", "memory.jsonl", SAMPLES, OOM, NOT_FINITE, *_TEACHERS)
# keys, or their beginnings, that change no figure
_NOT_COMPARED = ("resume", "overwrite", "sweep.", "tracker.", "runtime.oom.", "runtime.nonfinite.",
                 "validation.require_gain",
                 "teacher.concurrency", "teacher.requests_per_minute", "teacher.time_out", "teacher.retries",
                 "teacher.backoff", "teacher.budget.", "teacher.cache")  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """What a stage may do in its directory. Nothing is changed before `begin`."""

    complete: bool = False  # nothing is left to do
    checkpoint: Path | None = None  # go on from here
    changed: bool = False  # the directory's run had another config
    note: str = ""  # what to tell the user


def claim(config: Config, out: Path) -> Claim:
    """Decide whether a stage starts, goes on, or has nothing to do.

    Raises RuntimeError where the directory holds another config's run, or one that was not finished, and
    neither resume nor overwrite says what to do with it.
    """
    if config.overwrite or not started(out):
        return Claim()
    changes = differences(settings(out), to_yaml(config))
    changed = [f"{key}: {old} -> {new}" for key, (old, new) in changes.items()]
    if changed and not config.resume:
        raise RuntimeError(
            f"{out} holds the run of another config ({'; '.join(changed[:4])}{'; ...' if len(changed) > 4 else ''}). "
            f"Choose another run_name, or resume=true to go on with the new config, or overwrite=true to start again"
        )
    if ended(out) and not changed:
        return Claim(complete=True, note=f"{out} is complete; overwrite=true trains it again")
    if not config.resume:
        raise RuntimeError(
            f"{out} holds an unfinished run of this config: resume=true goes on from its last checkpoint, "
            f"overwrite=true starts again"
        )
    checkpoint, note = last_checkpoint(out)
    note = f"{note}; changed: {'; '.join(changed)}" if changed else note
    return Claim(checkpoint=checkpoint, changed=bool(changed), note=note)


def started(out: Path) -> bool:
    """Whether a directory holds a run that wrote more than its config."""
    left = (SUMMARY, ADAPTER, *_ROWS)
    return (out / CONFIG).exists() and (any((out / name).exists() for name in left) or bool(checkpoints(out)))


def ended(home: Path) -> bool:
    """Whether a directory holds a stage that has ended: one whose summary can be read."""
    return holds_json(home / SUMMARY)


def reported(out: Path, homes: list[Path]) -> bool:
    """Whether the report in a directory was written after the stages that it is about had ended."""
    times = [(home / SUMMARY).stat().st_mtime for home in homes if (home / SUMMARY).exists()]
    return (out / REPORT).exists() and (out / REPORT).stat().st_mtime >= max(times, default=0.0)


def begin(config: Config, out: Path, claim: Claim) -> None:
    """Make the directory this run's: write config.yaml, and delete what the run does not go on from.

    With overwrite that is everything. A resumed run without a checkpoint loses all that it wrote, except a teacher's
    work under the same config. A resumed run with a checkpoint loses what it wrote after that and will write anew.
    To be called once everything that the stage needs has been loaded, so that a mistake deletes nothing.

    A kill may come in between. So the summary is deleted first, or the rest would pass for complete; and checkpoints
    are deleted before the rows, or somebody would go on from a checkpoint without its rows.
    """
    (out / SUMMARY).unlink(missing_ok=True)
    if (out / CONFIG).exists():
        for checkpoint in reversed(checkpoints(out)):
            if claim.checkpoint is None or step_of(checkpoint) > step_of(claim.checkpoint):  # none of those is whole
                shutil.rmtree(checkpoint, ignore_errors=True)
        if config.overwrite:
            for folder in (out / ADAPTER, out / BEST):
                shutil.rmtree(folder, ignore_errors=True)
        if config.overwrite or claim.checkpoint is None:
            for name in (BATCH, *((ENVIRONMENT, *_ROWS) if config.overwrite else _ROWS)):
                if config.overwrite or claim.changed or name not in (OOM, SAMPLES, *_TEACHERS):
                    (out / name).unlink(missing_ok=True)
        after = step_of(claim.checkpoint) if claim.checkpoint else -1
        prune(out / SAMPLES, lambda row: _stays(row, after, out))
        prune(out / NOT_FINITE, lambda row: row["step"] <= after)
    if claim.changed:
        (out / OOM).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / CONFIG, to_yaml(config))


def _stays(row: Row, step: int, out: Path) -> bool:
    """Whether a run that goes on after a step keeps these completions, not writing them anew; -1: from its start."""
    if row["mode"] in ("draft", "teacher"):  # written with these files, and not again while they are there
        return (out / (DRAFTS if row["mode"] == "draft" else WINNERS)).exists()
    return row["step"] < step + (row["mode"] != "train")  # training counts the steps before, validation those done


def once(path: Path, make: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a JSONL file. Where there is none, all ranks make them together and the first writes them."""
    ranks.wait()  # the first may have cleared it
    if not path.exists():
        made = make()
        if ranks.first():
            write_rows(path, made)
        ranks.wait()
    return rows(path)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a directory against other processes. Raises RuntimeError where one has it."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock", timeout=_LET_GO)
    try:
        lock.acquire()
    except Timeout as error:
        raise RuntimeError(f"another process is at work in {out}: wait for it, or choose another run_name") from error
    try:
        yield
    finally:
        lock.release()


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
        if ended(home / stage):
            return adapter_at(home / stage)
        if (home / stage / CONFIG).exists():
            raise RuntimeError(
                f"{home / stage} is not finished, so {config.stage.name} cannot start from it: finish it with "
                f"stage={stage} resume=true, or set stage.init_from=base"
            )
    return None


def adapter_at(path: Path) -> Path:
    """An adapter's directory: the path itself, a checkpoint, or a stage's or run's directory that holds one.

    Raises RuntimeError where there is none, or its weights are cut short or not finite.
    """
    for place in (path, path / ADAPTER, *(path / stage / ADAPTER for stage in reversed(STAGES))):
        if (place / "adapter_config.json").is_file():
            if (fault := weights.fault(place / ADAPTER_WEIGHTS)) is not None:
                raise RuntimeError(f"{place} is half written or broken: its {ADAPTER_WEIGHTS} {fault}")
            return place
    what = "holds no adapter (adapter_config.json)" if path.exists() else "does not exist: train it first"
    raise RuntimeError(f"stage.init_from: {path} {what}")


def finished_stages(path: Path) -> list[Path]:
    """The directories of a run's finished stages, in their order; or the one, where the path is a stage's.

    Raises RuntimeError where there is none.
    """
    homes = [home for home in (path, *(path / stage for stage in STAGES)) if ended(home)]
    if not homes:
        what = "holds no finished stage" if path.exists() else "does not exist"
        raise RuntimeError(f"{path} {what}: give a run's directory (outputs/NAME) or a stage's (outputs/NAME/sft)")
    return homes


def settings(home: Path) -> str:
    """A stage's config.yaml, as it is written. Raises RuntimeError naming it where it holds no settings."""
    with _named(home / CONFIG):
        text = (home / CONFIG).read_text(encoding="utf-8")
        found = OmegaConf.to_container(OmegaConf.create(text))
        if not isinstance(found, dict) or not any(value is not None for value in found.values()):
            raise ValueError("it holds no settings")
        return text


def config_at(home: Path) -> Config:
    """The config of a stage's directory. Raises RuntimeError where it cannot be read."""
    with _named(home / CONFIG):
        return from_yaml(settings(home))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, YAMLError, OmegaConfBaseException, ValueError, AssertionError) as error:  # the last of a number
        why = " ".join(str(error).split())[:120]
        raise RuntimeError(f"{path} cannot be read ({why}): restore it, or choose another run") from error


def fingerprint(adapter: Path | None) -> str:
    """A hash of an adapter's weights; 'base' where a stage starts from the base model."""
    if adapter is None:
        return "base"
    return hashlib.sha256((adapter / ADAPTER_WEIGHTS).read_bytes()).hexdigest()[:16]


def same_base(adapter: Path | None, model: str) -> None:
    """Raise RuntimeError where an adapter was trained on another base than the one that is loaded.

    Args:
        model: what identifies the base that is loaded (model.fingerprint): a name, @, and a hub's commit or a hash of
            a directory's weights. Two commits may hold the same weights, so other commits are printed, not refused.
    """
    if adapter is None:
        return
    places = (adapter.parent, adapter.parent.parent)  # a checkpoint, or an adapter beside its environment; best/adapter
    was = next((w for place in places if (w := read_json(place / ENVIRONMENT).get("model"))), model)
    (name, _, hash_was), (_, _, hash_now) = was.rpartition("@"), model.rpartition("@")
    if hash_was == hash_now:
        return
    said = f"{adapter} was trained on {was}, and model.name gives {model}"
    if len(hash_was) != len(hash_now) or len(hash_now) == _COMMIT:
        print(f"{said}: if the weights of the two differ, the adapter is worth nothing here")
        return
    raise RuntimeError(f"{said}: choose model.name={name or was}, or stage.init_from=base")


def same_origin(out: Path, adapter: Path | None, data: str | None = None) -> None:
    """Raise RuntimeError where what a stage started from, or trained on, is no longer what it was."""
    was = read_json(out / ENVIRONMENT)
    if not was:
        return
    if was.get("started_from_hash") != fingerprint(adapter):
        raise RuntimeError(
            f"{out} was started from {was.get('started_from')}, which is not what {adapter or 'the base model'} holds "
            f"now: overwrite=true trains it again from there"
        )
    if data is not None and was.get("data") != data:
        raise RuntimeError(f"{out} was trained on other problems than the data holds now: overwrite=true starts again")


def differences(before: str, after: str) -> dict[str, tuple[str, str]]:
    """The keys in which two configs (YAML) differ, with both values, passwords crossed out. 'absent' stands for the
    value where a config lacks the key."""
    old, new = (flat(OmegaConf.to_container(OmegaConf.create(text))) for text in (before, after))
    was, now = ({key: redact.value(key, value) for key, value in side.items()} for side in (old, new))
    return {
        key: (was.get(key, "absent"), now.get(key, "absent"))
        for key in sorted(old | new)
        if old.get(key) != new.get(key) and not key.startswith(_NOT_COMPARED)
    }


def flat(node: object, mark: str = ".", prefix: str = "") -> dict[str, object]:
    """The values of nested mappings by their keys, which are joined by a mark: `stage.max_steps`."""
    if not isinstance(node, dict):
        return {prefix: node}
    named = {f"{prefix}{mark}{name}" if prefix else str(name): child for name, child in node.items()}
    return {key: value for name, child in named.items() for key, value in flat(child, mark, name).items()}
