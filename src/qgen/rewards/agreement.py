"""Whether answers mean the same, decided by math-verify in a process of its own that is killed when it hangs.

Computer algebra on text that a model wrote can take for ever, and cannot be stopped from within.
"""

import logging
import re
from concurrent.futures import TimeoutError
from multiprocessing import get_context

from pebble import ProcessExpired, ProcessPool

from qgen.rewards.registry import JudgeError

_BOXED = re.compile(r"\\boxed\s*\{")
_SAID = re.compile(
    r"(?:final answer|answer)\s*(?:is|:|=)\s*:?\s*(?P<answer>[^\n]{1,120}?)(?:\.(?:\s|$)|\n|$)|答案(?:是|为|：|"
    r":)\s*(?P<zh>[^\n。]{1,120})",
    re.I,
)
_NOTHING = {"", "none", "n/a", "unknown", "undefined", "?", "null", "nan", "not determined", "cannot be determined"}


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
    return None if answer.lower().rstrip(".") in _NOTHING else answer


class Agreement:
    """Counts answers that mean the same.

    Args:
        time_out: seconds for the answers to one problem, after which the process is killed and a new one started;
            what could not be compared in time counts as different.
    """

    def __init__(self, time_out: float = 10.0):
        self.time_out = time_out
        self._pool: ProcessPool | None = None

    def count(self, keys: list[str], answers: list[list[str | None]]) -> list[tuple[int, int, str]]:
        """For each key: how many answers mean the same, how many the most frequent other answer has, and which it is.

        Raises JudgeError where the process cannot be started or dies of something else than the time limit.
        """
        if not keys:
            return []
        if self._pool is None:  # spawned: a fork of a process with threads and a GPU may hang
            self._pool = ProcessPool(max_workers=1, context=get_context("spawn"))
            self._call(_count, "1", ["1"], limit=120.0)  # importing takes seconds, which no problem should pay
        results = []
        for key, group in zip(keys, answers, strict=True):
            given = [answer for answer in group if answer is not None]
            results.append(self._call(_count, key, given, limit=self.time_out) or _literally(key, given))
        return results

    def _call(self, function, *args, limit: float) -> tuple[int, int, str] | None:
        try:
            return self._pool.schedule(function, args=args, timeout=limit).result()
        except TimeoutError:
            return None
        except (ProcessExpired, Exception) as error:
            raise JudgeError(f"the process that compares answers broke: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def __del__(self):
        self.close()


def same(key: str, answer: str) -> bool:
    """Whether an answer means the same as the key. To be called in a process that may be killed."""
    if _plain(key) == _plain(answer):
        return True
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that nobody stops it: the caller does
    one, other = (parse(f"${a.strip().strip('$')}$", parsing_timeout=None) for a in (key, answer))
    return bool(one and other) and bool(verify(one, other, timeout_seconds=None))


def _count(key: str, answers: list[str]) -> tuple[int, int, str]:
    kinds: list[tuple[str, int]] = []
    agree = 0
    for answer in answers:
        if same(key, answer):
            agree += 1
            continue
        for i, (kind, count) in enumerate(kinds):
            if same(kind, answer):
                kinds[i] = (kind, count + 1)
                break
        else:
            kinds.append((answer, 1))
    other, runner = max(kinds, key=lambda kind: kind[1], default=("", 0))
    return agree, runner, other


def _literally(key: str, answers: list[str]) -> tuple[int, int, str]:
    """The count where algebra took too long: only answers that are written alike are the same."""
    plain = [_plain(answer) for answer in answers]
    agree = plain.count(_plain(key))
    others = [answer for answer in plain if answer != _plain(key)]
    other = max(set(others), key=others.count, default="")
    return agree, others.count(other), other


def _plain(answer: str) -> str:
    return "".join(answer.split()).strip("$.").lower()
