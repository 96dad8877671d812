"""Which reward terms exist. A term is TRL's own kind of reward function, registered under a name.

    @term("short")
    def short(completions, **columns):
        return [1.0 if len(text(c)) < 500 else 0.0 for c in completions]

A class is built once a run, with the training problems and the term's `params`; its instances are called the
same way. A package of someone else's adds terms through the entry-point group `qgen.rewards`.
"""

import inspect
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any

from qgen.problem import Fault, Problem, parse

Completion = str | list[dict[str, str]]
Term = Callable[..., list[float | None]]
TERMS: dict[str, Callable] = {}
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


def build(name: str, corpus: list[Problem], params: dict[str, Any]) -> Term:
    """The term NAME, ready to be called. Raises ValueError listing what exists where there is no such term."""
    if name not in TERMS:
        for point in metadata.entry_points(group=GROUP):
            if point.name == name:
                term(name)(point.load())
    if name not in TERMS:
        known = sorted({*TERMS, *(point.name for point in metadata.entry_points(group=GROUP))})
        raise ValueError(f"unknown reward term {name!r}; there are: {', '.join(known)}")
    factory = TERMS[name]
    try:
        return factory(corpus, **params) if inspect.isclass(factory) else partial(factory, **params)
    except TypeError as error:
        raise ValueError(f"reward.terms.{name}.params: {error}") from error


def text(completion: Completion) -> str:
    """A completion's text, whether it is a string or a list of messages."""
    return completion if isinstance(completion, str) else "".join(m["content"] for m in completion)


def parsed(completions: list[Completion]) -> list[Problem | Fault]:
    """What each completion is: a problem, or why it is none."""
    return [parse(text(completion)) for completion in completions]
