"""Independent attempts at a problem: in words, which end with a final answer, and as programs, whose result is one."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from qgen.data.prompts import Message, compute, solve
from qgen.engine.completion import Completion
from qgen.mathematics.equivalence import final_answer
from qgen.programs import Limits, NoWallError, Outcome, program_in, submit
from qgen.settings.prompt import PromptConfig

WORDS, PROGRAM = "words", "program"
KINDS = (PROGRAM, WORDS)  # in the order in which they are made: programs are shorter
# Tokens of `asked`, at most. What asks takes 49 to 167 of them; of 7,951 statements of MATH with as many characters as
# problem.parse allows, 19 do not fit beside it (qwen_coder's tokens), and attempts at them are shorter by what is over.
ROOM = 640
LIMITS = Limits(seconds=1.0)  # of qwen_coder's programs 98 of 100 take less than .3 s, and most of the others for ever


@dataclass(frozen=True)
class Attempt:
    """How one attempt at a problem ended."""

    kind: str  # words or program
    answer: str | None
    finished: bool  # by itself, rather than at the limit of its length
    tokens: int  # written
    why: str | None  # there is no answer: cut off, no answer, no program, inexact, or a key of programs.REASONS


def asked(prompt: PromptConfig, statement: str, kind: str) -> list[Message]:
    """The messages that ask for an attempt of a kind. Lone surrogates, which no tokenizer takes, become '?'."""
    clean = statement.encode("utf-8", "replace").decode()
    return (compute if kind == PROGRAM else solve)(prompt, clean)


class Reading:
    """Reads completions as they are written: what each comes to. A program is run as soon as its text is there, beside
    whatever else is still written."""

    def __init__(self):
        self._written: dict[int, tuple[str, Completion]] = {}
        self._running: dict[int, Future[Outcome]] = {}

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        for future in self._running.values():
            future.cancel()

    def add(self, place: int, kind: str, completion: Completion) -> None:
        """The completion of a kind, and which attempt it is."""
        self._written[place] = kind, completion
        if kind == PROGRAM and (program := program_in(completion.text)) is not None:
            self._running[place] = submit(program, LIMITS)

    def attempts(self) -> list[Attempt]:
        """The attempts, in the order of their places.

        A program that stands whole in a text that was cut off counts; words that were cut off do not.

        Raises NoWallError, naming the key that leaves programs out, on a machine that cannot hold hostile ones.
        """
        try:
            outcomes = {place: future.result() for place, future in self._running.items()}
        except NoWallError as error:
            raise NoWallError(f"{error}\nset reward.solver.programs=0: then no attempt is a program") from error
        found = []
        for place, (kind, completion) in sorted(self._written.items()):
            if kind == PROGRAM:
                answer, why = _computed(outcomes.get(place), completion.finished)
            else:
                answer = final_answer(completion.text) if completion.finished else None
                why = None if answer is not None else "no answer" if completion.finished else "cut off"
            found.append(Attempt(kind, answer, completion.finished, completion.tokens, why))
        return found


def read(kinds: Sequence[str], completions: Sequence[Completion]) -> list[Attempt]:
    """What each completion of a kind comes to (Reading.attempts)."""
    with Reading() as reading:
        for place, (kind, completion) in enumerate(zip(kinds, completions, strict=True)):
            reading.add(place, kind, completion)
        return reading.attempts()


def _computed(outcome: Outcome | None, finished: bool) -> tuple[str | None, str | None]:
    """A program's answer, or why it has none. A float is a vote for the answer that it means: 0.3333333333 for 1/3."""
    if outcome is None:
        return None, "no program" if finished else "cut off"
    value = outcome.value
    return value, None if value is not None else outcome.reason or "inexact"
