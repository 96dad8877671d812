"""What a checkpoint holds beyond the Trainer's own state. It is written last, as the mark of a whole checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from qgen.runs.files import write_whole
from qgen.runs.saved import STATE, inventory
from qgen.runtime import ranks


class StateCallback(TrainerCallback):
    """Writes `state()` into each checkpoint once the Trainer has written the rest."""

    def __init__(self, state: Callable[[], dict[str, Any]]):
        self.state = state

    def on_save(self, args, state, control, **_):
        ranks.wait()  # each rank has written its own part
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_state(folder, {**self.state(), **inventory(folder)})


def write_state(checkpoint: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint's own record, in one move."""
    write_whole(checkpoint / STATE, json.dumps(state))


def read_state(checkpoint: Path) -> dict[str, Any]:
    """A checkpoint's own record. Raises OSError or ValueError where it has no whole one."""
    return json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
