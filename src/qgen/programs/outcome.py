"""What a program may use, and what became of it."""

from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, ulp

from qgen.programs.closed import ULPS, closed_form

REASONS = {
    "refused": "it says something that programs may not say, or is too long; nothing of it ran",
    "error": "it is no Python, or raised an exception",
    "timeout": "it took more than its time",
    "memory": "it took more than its memory",
    "output": "it printed more than its output",
    "killed": "its process died of something else",
    "empty": "it ran, and printed nothing, or last None, nan, [] or an object without a text, and has no last value",
}

PLACES = 10  # digits of a float that are told: the last of its sixteen are rounding's


@dataclass(frozen=True)
class Limits:
    """What one program may use; raises ValueError where a number makes no sense.

    Args:
        seconds: of processor time; by the clock it may take three times as many, and one more.
        memory: MiB beyond what a worker holds before the program starts.
        output: characters that it may print.
    """

    seconds: float = 5.0
    memory: int = 512
    output: int = 20_000

    def __post_init__(self):
        if not (0 < self.seconds <= 3600 and 16 <= self.memory <= 1 << 20 and 1 <= self.output <= 1 << 24):
            raise ValueError(f"a program's limits are above 0 s, from 16 MiB and from 1 character on: {self}")

    @property
    def clock(self) -> float:
        """Seconds by the clock: other processes may keep a program from the processor for a while."""
        return 3 * self.seconds + 1


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Args:
        answer: the last line that is not empty (of a program that prints nothing, its last statement's value:
            notebook.py), in a spelling that answers are compared in; '' where `reason` says why.
        exact: whether the answer was printed from integers, fractions and symbols alone. A float that is no
            whole number below 10^9 is not exact, nor is a decimal that was rounded; an integer that was made of floats
            cannot be told from others.
        printed: all that it printed, at most its limit.
        reason: '' where it ran, else a key of REASONS.
        detail: what was refused and in which line, the exception and its message, the signal.
        seconds: by the clock, from the fork to the end.
    """

    answer: str = ""
    exact: bool = False
    printed: str = ""
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0

    @property
    def ran(self) -> bool:
        """Whether the program came to its end and printed an answer."""
        return not self.reason

    @property
    def value(self) -> str | None:
        """The answer as an answer key would write it: as `decimal`, but that a float that means a fraction, a root or a
        multiple of pi, and no short decimal, becomes that (closed.py)."""
        number, told = self._float, self.decimal
        if number is None or told is None or abs(float(told) - number) <= ULPS * ulp(number):
            return told
        return closed_form(self.answer) or told

    @property
    def decimal(self) -> str | None:
        """The answer; a float that is an integer up to rounding becomes that integer, and any other gets PLACES digits.
        None without an answer, or where a float is too large to hold every integer."""
        if not self.ran:
            return None
        if (number := self._float) is None:
            return self.answer
        if not isfinite(number) or abs(number) >= 2**53:
            return None
        whole = abs(number - round(number)) <= min(1e-6, 1e-9 * max(1.0, abs(number)))
        return str(round(number)) if whole else format(Decimal(f"{number:.{PLACES}g}"), "f")

    @property
    def _float(self) -> float | None:
        """The answer where it is one float; None where it is exact, several floats, or one within an expression."""
        try:
            return None if self.exact or not self.ran else float(self.answer)
        except ValueError:
            return None
