"""What watches a run, and when it acts."""

from dataclasses import dataclass, field


@dataclass
class MemoryConfig:
    """When memory is reported and cleaned, and how much may be taken."""

    clean_above: float = 0.30  # share of the device's memory that may be reserved before it is cleaned
    every: int = 10  # optimizer steps between reports
    cap: float | None = None  # GiB of the GPU, or without one of data, that the run may take; None: all


@dataclass
class OomConfig:
    """How often a stage that ran out of memory goes on."""

    retries: int = 6  # times a stage that runs out of memory goes on with a smaller batch, in a fresh process


@dataclass
class NonfiniteConfig:
    """How long steps that are not finite are put up with."""

    patience: int = 3  # steps in a row without a finite loss and gradient after which a stage ends


@dataclass
class RuntimeConfig:
    """What watches a run."""

    memory: MemoryConfig = field(default_factory=MemoryConfig)
    oom: OomConfig = field(default_factory=OomConfig)
    nonfinite: NonfiniteConfig = field(default_factory=NonfiniteConfig)
