"""Hydra's launcher for qgen's sweeps: a process a job. Hydra finds launchers in the package hydra_plugins alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class ProcessLauncherConfig:
    _target_: str = "hydra_plugins.qgen_processes.ProcessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="processes", node=ProcessLauncherConfig, provider="qgen")


class Choices(Callback):
    """Lets a sweep's own directory be named by the groups' choices (${hydra:runtime.choices.model}).

    Hydra makes them known to a job, and not to the sweeper that asks for the directory before the first.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        HydraConfig.instance().set_config(config)


class ProcessLauncher(Launcher):
    """What a sweeper hands its jobs to; the work is in qgen.sweeps."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from qgen.sweeps import launch  # other Hydra applications in this environment find this module too

        return launch(self.context, self.config, job_overrides, initial_job_idx)
