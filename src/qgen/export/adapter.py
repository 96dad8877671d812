"""Format adapter: PEFT's files as the stage left them."""

import json
import shutil
from pathlib import Path

from qgen.export.trained import TrainedModel
from qgen.runs.files import write_whole


def write(source: TrainedModel, out: Path) -> list[str]:
    """Copy the adapter. Where its base is not the hub's, the name of this machine's directory is taken out of it."""
    shutil.copytree(source.adapter, out)
    path = out / "adapter_config.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RuntimeError(f"{source.adapter / path.name} is no JSON ({error}); is it cut off?") from error
    settings["base_model_name_or_path"] = source.hub_name
    write_whole(path, json.dumps(settings, indent=2) + "\n")
    return []
