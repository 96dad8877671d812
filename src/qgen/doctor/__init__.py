"""What `qgen.doctor` looks at: packages, the machine, the hub and the data, and how much memory a stage will take.

Nothing here changes what it looks at, or loads a model's weights.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at.
        said: what was found.
        mend: what to do about it; empty where nothing need be done.
        fatal: the stage would fail.
    """

    check: str
    said: str
    mend: str = ""
    fatal: bool = False
