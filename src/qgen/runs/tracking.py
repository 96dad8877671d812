"""What a run writes while it runs: JSONL files always, and whoever else reads the same events."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qgen.runs.tracker import Silent, Tracker
from qgen.runtime import ranks
from qgen.settings import choices
from qgen.settings.config import Config
from qgen.text import redact


@contextmanager
def tracking(config: Config, out: Path, values: dict[str, Any]) -> Iterator[Tracker]:
    """The tracker that a config asks for, closed whatever happens. `values` is the config as plain data.

    With several ranks the first alone writes. Raises RuntimeError where W&B cannot start, unless
    tracker.required=false: then the files alone are written. Once it has started it never raises.
    """
    if not ranks.first():
        yield Silent(out)
        return
    if config.tracker.name is not choices.Tracker.wandb:
        yield Tracker(out)
        return
    from qgen.runs.wandb import WandbTracker

    try:
        tracker = WandbTracker(config, out, values)
    except Exception as error:
        said = f"tracker=wandb could not start: {redact.text(' '.join(str(error).split()))[:300]}"
        if config.tracker.required:
            raise RuntimeError(
                f"{said}\nit needs a network and WANDB_API_KEY (and WANDB_BASE_URL for a server of your own); "
                f"tracker.mode=offline needs neither, and tracker.required=false goes on without W&B"
            ) from error
        print(f"{said}; going on with the files in {out}")
        yield Tracker(out)
        return
    try:
        yield tracker
    except BaseException:
        tracker.finish(exit_code=1)
        raise
    tracker.finish()
