"""What a checkpoint holds beyond the Trainer's own state. It is written last, as the mark of a whole checkpoint."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from qgen.runtime.rundir import STATE


class StateCallback(TrainerCallback):
    """Writes `state()` into each checkpoint once the Trainer has written the rest."""

    def __init__(self, state: Callable[[], dict[str, Any]]):
        self.state = state

    def on_save(self, args, state, control, **_):
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        fresh = folder / f".{STATE}"
        fresh.write_text(json.dumps(self.state()), encoding="utf-8")
        fresh.replace(folder / STATE)


def read_state(checkpoint: Path) -> dict[str, Any]:
    return json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
