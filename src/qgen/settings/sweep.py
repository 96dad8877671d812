"""How a sweep's jobs are run."""

from dataclasses import dataclass

from qgen.settings.validation import HELDOUT


@dataclass
class SweepConfig:
    """How a sweep's jobs are run (python -m qgen.train -m ...). None of it changes what a job computes, but for the
    last digits where jobs share a CPU's cores."""

    jobs: int = 1  # at once: each on a GPU of its own as far as they go, else on a share of the cores
    retry: bool = True  # run again what failed, when the same sweep is started again
    metric: str = "reward"  # what a search (hydra/sweeper=optuna) is told of a job: a held-out figure of its model

    def check(self) -> None:
        if self.metric not in HELDOUT:
            raise ValueError(f"sweep.metric={self.metric} is none of {', '.join(HELDOUT)}")
