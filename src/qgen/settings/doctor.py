"""The keys of qgen.doctor (conf/doctor.yaml): a stage's, and its own."""

import math
from dataclasses import dataclass, field

from qgen.settings.config import Config
from qgen.settings.gpus import GPUS


@dataclass
class DoctorConfig:
    """What the doctor plans for."""

    gpu: str | None = None  # the card to plan for; null: the one at hand, or this machine's memory
    timeout: float = 5.0  # seconds in which the hub must answer

    def check(self) -> None:
        if self.gpu is not None and self.gpu not in GPUS:
            raise ValueError(f"doctor.gpu={self.gpu} is none of {', '.join(GPUS)}")
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"doctor.timeout={self.timeout} must be above 0")


@dataclass
class Examined(Config):
    """The keys of a stage, and doctor's own."""

    doctor: DoctorConfig = field(default_factory=DoctorConfig)
