"""Whether answers mean the same, decided by math-verify in a process of its own that is killed when it hangs.

Computer algebra on text that a model wrote may never end, and cannot be stopped from within its process.
"""

import logging
import os
import re
from collections import Counter
from concurrent.futures import Future, TimeoutError
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TYPE_CHECKING
from weakref import finalize

from qgen.mathematics.answers import declined, measured, nothing, parts, plain, turned_by_degrees, unmarked

if TYPE_CHECKING:
    from pebble import ProcessPool

_BOXED = re.compile(r"\\boxed\s*\{")
_SAID = re.compile(
    r"(?:final answer|answer)\s*(?:is|:|=)\s*:?\s*(?P<answer>[^\n]{1,120}?)(?:\.(?:\s|$)|\n|$)|答案(?:是|为|：|"
    r":)\s*(?P<zh>[^\n。]{1,120})",
    re.I,
)
LONGEST = 200  # characters of an answer in plain form that algebra is asked about; the longest of MATH's has 159
_UNSOLVED = {"undefined", "not determined", "cannot be determined"}  # said by who could not solve it


class JudgeError(RuntimeError):
    """What judges broke, as against something judged that is worth nothing. The cause is chained."""


def final_answer(solution: str) -> str | None:
    """What a solution ends with: its last \\boxed{...}, or what follows its last 'the answer is'; None without."""
    for found in reversed(list(_BOXED.finditer(solution))):
        depth = 1
        for end in range(found.end(), len(solution)):
            depth += (solution[end] == "{") - (solution[end] == "}")
            if depth == 0:
                return _clean(solution[found.end() : end])
    said = list(_SAID.finditer(solution))
    return _clean(said[-1]["answer"] or said[-1]["zh"]) if said else None


def _clean(answer: str) -> str | None:
    answer = re.sub(r"^\\(?:text|mathrm)\{(.*)\}$", r"\1", answer.strip().strip("*$").strip()).strip()
    unsolved = answer.lower().rstrip(".") in _UNSOLVED
    return None if unsolved or nothing(answer) or declined(answer) else answer


class AnswerComparer:
    """Counts answers that mean the same.

    Args:
        time_out: seconds for the answers to one problem, after which the process is killed and a new one started;
            what could not be compared in time counts as different. So does what is longer than LONGEST, unless it is
            written alike: a model's lists of a thousand numbers took all of their time.
    """

    def __init__(self, time_out: float = 5.0):
        self.time_out = time_out
        self._pool: ProcessPool | None = None

    def count(self, keys: list[str], answers: list[list[str | None]]) -> list[tuple[int, int, str]]:
        """For each key: how many answers mean the same, how many the most frequent other answer has, and which it is.

        Raises JudgeError as `same` does.
        """
        return [
            (group.count(key), *most_frequent(group, key))
            for key, group in zip(keys, self.same(keys, answers), strict=True)
        ]

    def same(self, keys: list[str], answers: list[list[str | None]]) -> list[list[str | None]]:
        """For each key, its answers with one spelling for what means the same: the key's own where they mean that,
        else that of the first answer of its meaning in plain form; None where there is no answer.

        Raises JudgeError where the process cannot be started or dies of something else than the time limit.
        """
        spellings = [_literally(key, group) for key, group in zip(keys, answers, strict=True)]
        tasks = [self._asked(key, spelling) for key, spelling in zip(keys, spellings, strict=True)]
        for task, spelling in zip(tasks, spellings, strict=True):
            if task is not None:
                spelling |= self._result(task) or {}
        return [
            [None if answer is None else spelling[answer] for answer in group]
            for spelling, group in zip(spellings, answers, strict=True)
        ]

    def _asked(self, key: str, spelling: dict[str, str]) -> Future | None:
        """What algebra will say of the answers that are written otherwise than the key; None where there are none."""
        others = [answer for answer, kind in spelling.items() if kind != key and len(kind) <= LONGEST]
        if not others or len(plain(key)) > LONGEST:
            return None
        if self._pool is None:  # spawned: a fork of a process with threads and a GPU may hang
            from pebble import ProcessPool  # not before it is needed: rewards are imported to check a config too

            self._pool = ProcessPool(
                max_workers=min(8, os.cpu_count() or 1), context=get_context("spawn"), initializer=_ready
            )
            self._end = finalize(self, _stop, self._pool)  # also where Python ends, before what stopping takes is gone
        return self._pool.schedule(_same, args=(key, others), timeout=self.time_out)

    def _result(self, task: Future) -> dict[str, str] | None:
        try:
            return task.result()
        except TimeoutError:
            return None
        except Exception as error:
            raise JudgeError(
                f"the process that compares answers broke: {type(error).__name__}: {error} (a script of your own must "
                "be a file, and do its work under if __name__ == '__main__':)"
            ) from error

    def close(self) -> None:
        """End the processes; the next count starts others."""
        if self._pool is not None:
            self._end()
            self._pool = None


def _stop(pool: "ProcessPool") -> None:
    pool.stop()
    pool.join()


def _ready() -> None:
    """Import what takes seconds before the first problem's time begins."""
    import math_verify  # noqa: F401

    Thread(target=end_with_parent, daemon=True).start()
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that nobody stops it: the caller does


def end_with_parent() -> None:
    """End this process when the one that started it is gone, which may be killed while this one is in a sum."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _same(key: str, answers: list[str]) -> dict[str, str]:
    """The one spelling of each answer, see AnswerComparer.same."""
    same = _Same()
    kinds: list[str] = []
    found: dict[str, str] = {}
    for answer in answers:
        written = plain(answer)
        if written in found:
            continue
        kind = key if same(plain(key), written) else next((kind for kind in kinds if same(kind, written)), written)
        found[written] = kind
        if kind == written and kind != key:
            kinds.append(kind)
    return {answer: found[plain(answer)] for answer in answers}


class _Same:
    """Whether two answers in plain form mean the same: as they are written, as sets of solutions, or by algebra.

    Values are the same only in the same unit, which one of the answers may leave out.
    """

    def __init__(self):
        from latex2sympy2_extended import NormalizationConfig
        from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

        letters = NormalizationConfig(malformed_operators=True, nits=True)  # it takes the t of 2t for a unit: not here
        targets = [LatexExtractionConfig(normalization_config=letters), ExprExtractionConfig()]
        self._parse = lambda text: parse(f"${text}$", extraction_config=targets, parsing_timeout=None)
        self._known: dict[str, list] = {}

    def __call__(self, key: str, answer: str) -> bool:
        if unmarked(key) == unmarked(answer):
            return True
        ours, theirs = parts(key), parts(answer)
        if len(ours) > 1 and len(theirs) > 1:
            return len(ours) == len(theirs) and self._matched(ours, theirs)
        (one, unit), (other, another) = measured(key), measured(answer)
        if unit and another and unit != another:
            return False
        if self._equal(one, other):
            return True
        if {unit, another} != {"%", ""}:  # where one says percent, 50% is 50, and 0.5 too
            return False
        return self._equal(*(f"({value})/100" if name else value for value, name in (measured(key), measured(answer))))

    def _matched(self, ours: list[str], theirs: list[str]) -> bool:
        left = list(theirs)
        for part in ours:
            found = next((other for other in left if self(part, other)), None)
            if found is None:
                return False
            left.remove(found)
        return True

    def _equal(self, one: str, other: str) -> bool:
        return one == other or _alike(self._meaning(one), self._meaning(other))

    def _meaning(self, text: str) -> list:
        if text not in self._known:
            try:  # math-verify adds numbers with a space between them, and leaves degrees out
                odd = re.search(r"\d \d", text) or turned_by_degrees(text)
                self._known[text] = [] if odd else self._parse(text)
            except Exception:  # as in _alike
                self._known[text] = []
        return self._known[text]


def _alike(one: list, other: list) -> bool:
    if not one or not other:
        return False
    from sympy import Float

    try:
        numbers = [m[0] for m in (one, other) if getattr(m[0], "is_number", False)]
        if len(numbers) == 2 and all(number.is_finite for number in numbers):
            a, b = (complex(number.evalf(15)) for number in numbers)  # a thousand times faster than algebra
            near = abs(a - b) <= 1e-9 * max(1.0, abs(a))
            exact = near and all(number.is_rational for number in numbers) and not any(n.has(Float) for n in numbers)
            return bool(numbers[0].doit() == numbers[1].doit()) if exact else near
        from math_verify import verify

        return bool(verify(one, other, timeout_seconds=None))
    except Exception:  # sympy on what a model wrote: what it cannot make sense of means nothing else either
        return False


def _literally(key: str, answers: list[str | None]) -> dict[str, str]:
    """What is known without algebra: answers that are written alike are the same."""
    own = plain(key)
    forms = {answer: plain(answer) for answer in dict.fromkeys(answers) if answer is not None}
    return {answer: key if form == own else form for answer, form in forms.items()}


def most_frequent(spelled: list[str | None], key: str) -> tuple[int, str]:
    """How often the most frequent spelling that is not the key's occurs, and which it is; 0 and '' without one."""
    others = Counter(answer for answer in spelled if answer is not None and answer != key)
    return next(((count, other) for other, count in others.most_common(1)), (0, ""))
