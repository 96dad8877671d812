"""A W&B workspace for qgen's runs: python -m qgen.dashboard project=qgen [entity=NAME] [--dry-run]"""

import json
import os
import sys
from pathlib import Path

from qgen.cli import entry
from qgen.reporting.dashboard import specification, workspace
from qgen.runtime.strict import require
from qgen.settings.dashboard import DashboardConfig


def dashboard(config: DashboardConfig, out: Path, plain: dict) -> None:
    """Save the workspace as a new view of the project and say where it is, or print what it would be."""
    require("wandb_workspaces.workspaces", "pip install 'qgen[dashboard]'")
    if config.dry_run:
        print(json.dumps(specification(workspace(config)), indent=2))
        return
    import wandb

    try:
        wandb.setup(wandb.Settings(quiet=True, show_info=False))  # it neither chats nor asks for a key
        config.entity = config.entity or os.environ.get("WANDB_ENTITY") or wandb.Api(timeout=20).default_entity
        print(f"the dashboard is {workspace(config).save().url}")
    except Exception as error:
        raise RuntimeError(
            f"the dashboard could not be saved: {str(error).strip().splitlines()[0]}\nset WANDB_API_KEY (and "
            f"WANDB_BASE_URL for a server of your own) and entity; --dry-run prints what it would be"
        ) from error


def main() -> None:
    sys.argv[1:] = ["dry_run=true" if argument == "--dry-run" else argument for argument in sys.argv[1:]]
    entry(dashboard, "dashboard", DashboardConfig)()


if __name__ == "__main__":
    main()
