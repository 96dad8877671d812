"""Runs the short programs that a model wrote to compute a problem's answer: an allowlist of what a program may contain
(the fence), a sandbox in case the allowlist has a hole (the wall), and a pool of workers that are already started.
Nothing here knows about problems or models, and nothing here imports torch.

    >>> from qgen.programs import Limits, run
    >>> run(["from math import comb\nprint(comb(10, 3) / 2)", "import os"], Limits(seconds=2))
    [Outcome(answer='60.0', exact=False, ...), Outcome(reason='refused', detail='line 1: the module os', ...)]
"""

from qgen.programs.background import run, submit
from qgen.programs.extract import program_in
from qgen.programs.fence import RefusedError, check
from qgen.programs.notebook import silent
from qgen.programs.outcome import REASONS, Limits, Outcome
from qgen.programs.pool import NoWallError, Pool
from qgen.programs.shape import shape

__all__ = [
    "REASONS", "Limits", "NoWallError", "Outcome", "Pool", "RefusedError", "check", "program_in", "run", "shape",
    "silent", "submit",
]  # fmt: skip
