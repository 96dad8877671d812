"""Which reward terms exist. A term is TRL's own kind of reward function, registered under a name.

    @term("short")
    def short(completions, **columns):
        return [1.0 if len(text(c)) < 500 else 0.0 for c in completions]

A class is built once a run, and its instance is called as a function is. Its constructor gets the term's `params`, and
whichever of these it names:

    corpus    the training problems
    base      the frozen base model (rewards/base.py)
    solver    who solves problems (proofs/solver.py); None where reward.solver is null
    teacher   the settings of the teacher behind an API; None under another teacher than teacher=api
    language  that problems are asked for in (prompt.language)

Besides `prompts`, `completions` and the columns of the dataset, a call gets `batch_size`: the number of completions,
including those that the gate refused, which the term never sees.

An instance may also have `observe(completions)`, called with what was trained on; `state_dict()` and
`load_state_dict()`, for checkpoints; `facts`, a dictionary a completion of the last call, for samples.jsonl; `note`, a
sentence printed when a stage starts; and `weightless`, true where it found out that it should not count. A package of
someone else's adds terms through the entry-point group `qgen.rewards` (examples/reward_plugin is one).
"""

import inspect
import json
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from numbers import Real
from typing import Any

from qgen.mathematics.equivalence import JudgeError
from qgen.mathematics.problem import Fault, Problem
from qgen.proofs import reading

Completion = str | list[dict[str, str]]
Term = Callable[..., list[float | None]]
TERMS: dict[str, Any] = {}  # functions, and classes whose instances are called
GROUP = "qgen.rewards"


def term(name: str) -> Callable:
    """Register a function or a class as the term NAME. Raises ValueError where the name is taken by another."""

    def register(factory: Callable) -> Callable:
        known = TERMS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (factory.__module__, factory.__qualname__):
            raise ValueError(f"reward term {name!r} is already registered by {known.__module__}")
        TERMS[name] = factory
        return factory

    return register


def find(name: str, params: dict[str, Any]) -> Any:
    """The factory of the term NAME. Raises ValueError listing what exists where there is none, or it lacks a param."""
    if name not in TERMS:
        for point in _installed():
            if point.name == name:
                found = own(name, "loaded", point.load)
                if not callable(found):
                    raise ValueError(f"reward term {name!r}: {point.value} is neither a function nor a class")
                term(name)(found)
    if name not in TERMS:
        known = sorted({*TERMS, *(point.name for point in _installed())})
        raise ValueError(f"unknown reward term {name!r}; there are: {', '.join(known)}")
    parameters = inspect.signature(TERMS[name]).parameters
    takes = [n for n, p in parameters.items() if p.default is not p.empty and n not in _OFFERED]
    if unknown := set(params) - set(takes):
        listed = ", ".join(takes) or "no parameters"
        raise ValueError(f"reward.terms.{name}.params: no {', '.join(sorted(unknown))}; {name} takes {listed}")
    called = TERMS[name].__call__ if inspect.isclass(TERMS[name]) else TERMS[name]
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise ValueError(f"reward term {name!r}: {_ASYNC}")
    return TERMS[name]


def _installed() -> list[metadata.EntryPoint]:
    """The terms of other packages. Raises ValueError where a package's list of them cannot be read."""
    try:
        return list(metadata.entry_points(group=GROUP))
    except Exception as error:  # whatever importlib.metadata makes of a file that is none
        raise ValueError(
            f"an installed package's entry_points.txt cannot be read ({type(error).__name__}: {error}): mend it, or "
            "uninstall that package"
        ) from error


def build(name: str, params: dict[str, Any], **offered: Any) -> Any:
    """The term NAME, ready to be called: a Term, which may have more (the head of this file).

    Args:
        offered: what stands at the head of this file, of which a class gets what its constructor names.
    """
    factory = find(name, params)
    if not inspect.isclass(factory):
        return partial(factory, **params)
    for need in needs(factory):
        if offered.get(need) is None:
            raise ValueError(f"reward term {name!r} needs a {need}: {_REMEDIES[need]}")
    parameters = inspect.signature(factory).parameters
    taken = {n: offered[n] for n in _OFFERED if n in parameters and n in offered}
    try:
        return factory(**taken, **params)
    except (RuntimeError, ValueError) as error:  # which say what a term lacks
        raise RuntimeError(f"reward term {name!r}: {error}") from error


def needs(factory: Callable) -> set[str]:
    """What a term cannot do without, of base, solver and teacher."""
    if not inspect.isclass(factory):
        return set()
    parameters = inspect.signature(factory).parameters
    return {need for need in _REMEDIES if need in parameters and parameters[need].default is inspect.Parameter.empty}


def own(name: str, done: str, function: Callable, *arguments: Any, **named: Any) -> Any:
    """The result of calling a function of the term NAME. Whatever the function raises, even SystemExit, becomes a
    JudgeError that names the term; only Ctrl-C passes.

    Args:
        done: what is done with the term, as a participle; empty where it is called.
    """
    try:
        return function(*arguments, **named)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit would end the run without a word, and 0 pass for success
        when = f" as it was {done}" if done else ""
        raise JudgeError(f"reward term {name!r} broke{when}: {type(error).__name__}: {error}") from error


def call(name: str, function: Term, completions: list[Completion], **columns: Any) -> list[float | None]:
    """The values of a term, checked. Raises JudgeError, naming it, where it breaks or gives anything else than a
    number from 0 to 1 or None a completion."""

    def given() -> list[Any]:
        found: Any = function(completions=completions, **columns)  # a coroutine where __call__ is async
        if inspect.iscoroutine(found):
            found.close()
            raise TypeError(_ASYNC)
        return [_bare(value) for value in found]

    values = own(name, "", given)
    if len(values) != len(completions):
        raise JudgeError(f"reward term {name!r} gave {len(values)} values for {len(completions)} completions")
    for value in values:
        if value is not None and not isinstance(value, Real):
            raise JudgeError(f"reward term {name!r} gave {value!r}, which is no number")
        if value is not None and not 0.0 <= float(value) <= 1.0:  # nor nan
            raise JudgeError(f"reward term {name!r} gave {value!r}, which is not between 0 and 1")
    return [None if value is None else float(value) for value in values]


def facts(name: str, function: Term, count: int) -> list[dict[str, Any]]:
    """What a term found out in its last call, a dictionary a completion. Raises JudgeError where it is no such list, or
    holds what samples.jsonl cannot."""
    found = getattr(function, "facts", None) or [{}] * count
    if not isinstance(found, list) or len(found) != count or not all(isinstance(fact, dict) for fact in found):
        raise JudgeError(f"reward term {name!r}: its facts are not a list of {count} dictionaries, one a completion")
    own(name, "asked for its facts", json.dumps, found, default=_scalar)
    return found


def _bare(value: Any) -> Any:
    """The number in a tensor or an array without dimensions; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _scalar(value: Any) -> Any:
    bare = _bare(value)
    if bare is value:
        raise TypeError(f"{type(value).__name__} is no plain data, which samples.jsonl holds")
    return bare


def text(completion: Completion) -> str:
    """A completion's text, whether it is a string or a list of messages."""
    return completion if isinstance(completion, str) else "".join(m["content"] for m in completion)


def readable(completions: Sequence[Completion]) -> dict[int, Problem]:
    """The completions that are problems, as `parsed` reads them, by their numbers."""
    return {i: found for i, found in enumerate(parsed(completions)) if isinstance(found, Problem)}


def parsed(completions: Sequence[Completion]) -> list[Problem | Fault]:
    """What each completion is: a problem, with its program's answer where it has one, or why it is none."""
    return reading.read([text(completion) for completion in completions])


_ASYNC = "async terms are not supported: make it a plain function that returns its values"
_OFFERED = ("corpus", "base", "solver", "teacher", "language")
_REMEDIES = {
    "base": "pass Rewards a Base",
    "solver": "set reward.solver, as reward=proved does",
    "teacher": "set teacher=api",
}
