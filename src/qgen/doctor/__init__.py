"""What `qgen.doctor` checks: packages, the machine, the hub and the data, and how much memory a stage will take.

Nothing here changes what is checked, and nothing loads a model's weights.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was checked.
        said: what was found.
        mend: what to do about it; empty where nothing need be done.
        fatal: whether the stage would fail.
    """

    check: str
    said: str
    mend: str = ""
    fatal: bool = False
