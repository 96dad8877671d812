"""Topic and knowledge points of a problem whose source names none, by the terms that stand in it.

A problem's topic is the one whose terms it uses most; the terms found are its knowledge points.
"""

import re
from collections import Counter

from qgen.data.terms import TERMS

_PLURALS = (("s", ""), ("es", ""), ("ies", "y"), ("ices", "ix"), ("ii", "ius"))
_TOKEN = re.compile(r"\\[a-z]+|[a-z]+|\d+|[^\s\w]|[一-鿿]")
_NAMES = {
    tuple(_TOKEN.findall(way.lower())): (term.partition("|")[0], name)
    for name, terms in TERMS.items()
    for term in terms
    for way in term.split("|")
    if way
}
_SIZES: dict[str, list[int]] = {}  # of the ways that begin with a word, the longest first
for _way in sorted(_NAMES, key=len, reverse=True):
    if len(_way) not in _SIZES.setdefault(_way[0], []):
        _SIZES[_way[0]].append(len(_way))


def _found(text: str) -> list[tuple[str, str]]:
    """The terms that stand in a text in their order, each with its topic: of those that overlap the first and longest,
    so that a right triangle is no triangle besides, nor a square foot a square."""
    said, found, at = _TOKEN.findall(text.lower()), [], 0
    while at < len(said):
        sizes = _SIZES.get(said[at]) or [1]  # a plural, if any
        ways = (part for size in sizes for part in _singular(tuple(said[at : at + size])))
        way = next((part for part in ways if part in _NAMES), None)
        found += [_NAMES[way]] if way and _NAMES[way][0] else []
        at += len(way) if way else 1
    return found


def _singular(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words, and with their last in the singular."""
    last = words[-1]
    ends = [last, *(last.removesuffix(many) + one for many, one in _PLURALS if last.endswith(many))]
    return [(*words[:-1], end) for end in ends]


def knowledge_points(text: str) -> tuple[str, ...]:
    """The names of the terms that stand in a text, each once, in the order of their first appearance."""
    return tuple(dict.fromkeys(term for term, _ in _found(text)))


def topic(text: str) -> str:
    """The topic with most terms in a text; Algebra where none has any."""
    counts = Counter(name for _, name in _found(text))
    return max(TERMS, key=lambda name: (counts[name], name == "Algebra"))
