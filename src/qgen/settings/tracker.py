"""Who reads a run's events besides its files (conf/tracker/)."""

from dataclasses import dataclass

from omegaconf import MISSING

from qgen.settings.choices import Tracker, TrackerMode


@dataclass
class TrackerConfig:
    """Who reads a run's events besides its files."""

    name: Tracker = MISSING
    # of wandb; None: what the environment's WANDB_PROJECT, _ENTITY, _RUN_GROUP or _MODE says, or else
    project: str | None = None  # qgen
    entity: str | None = None  # the W&B user or team that the runs belong to: the default of the API key
    group: str | None = None  # what W&B puts runs together by: run_name, which is the sweep or the pipeline
    mode: TrackerMode | None = None  # online
    required: bool = True  # False: a tracker that cannot start is reported, and the run goes on
