"""The keys of qgen.dashboard (conf/dashboard.yaml)."""

from dataclasses import dataclass


@dataclass
class DashboardConfig:
    """Where the workspace goes."""

    project: str | None = None  # None: WANDB_PROJECT, or else qgen
    entity: str | None = None  # user or team; None: WANDB_ENTITY, or else the default of the API key
    name: str = "qgen"  # title of the workspace
    dry_run: bool = False  # print the specification instead of saving it

    def check(self) -> None:
        if self.project == "":
            raise ValueError("project says which W&B project the workspace belongs to")
