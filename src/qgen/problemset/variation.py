"""What can be checked of a variation of a problem, by kind."""

import re
from collections import Counter
from difflib import SequenceMatcher

from qgen import latex
from qgen.metrics.difficulty import DifficultyModel
from qgen.metrics.similarity import mask, tokens
from qgen.problem import Problem
from qgen.problemset.kinds import Kind

SAME = 0.9  # similarity of two statements, numbers and letters masked, from which they differ in those alone
OTHER = 0.3  # Jaccard similarity of two statements' words up to which they tell of other things


def strays(kind: Kind | None, original: Problem, varied: Problem, levels: DifficultyModel | None) -> str | None:
    """Why a problem is not a variation of the kind, or None.

    parameter: the statements are alike but for numbers and letters (masked similarity .9 or more), and the numbers and
    the answer are others. context: the words are others (Jaccard .3 or less), numbers and answer the same. harder,
    easier: by the estimated level. Of an application nothing is checked: whether it is one takes a reader.
    """
    if kind is Kind.parameter:
        words = [tokens(mask(p.statement)) for p in (original, varied)]
        if SequenceMatcher(None, *words, autojunk=False).ratio() < SAME:
            return "more than parameters changed"
        if _numbers(original) == _numbers(varied):
            return "the parameters are the same"
        return "the answer is the old one" if original.answer == varied.answer else None
    if kind is Kind.context:
        one, other = _words(original), _words(varied)
        if len(one & other) > OTHER * len(one | other):
            return "the context is the same"
        kept = _numbers(original) == _numbers(varied) and original.answer in ("", varied.answer)
        return None if kept else "more than the context changed"
    if kind in (Kind.harder, Kind.easier) and levels:
        was, now = levels.predict([original.statement, varied.statement])
        return None if (now > was) == (kind is Kind.harder) else f"not {kind.value}"
    return None


def _numbers(problem: Problem) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:\.\d+)?", problem.statement))


def _words(problem: Problem) -> set[str]:
    return {word for word in tokens(latex.prose(problem.statement)) if len(word) > 3 and word.isalpha()}
