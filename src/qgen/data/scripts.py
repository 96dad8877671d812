"""The scripts that texts are written in, and whether a corpus is in the language that problems are asked for in."""

import unicodedata
from collections import defaultdict
from functools import cache

from qgen.mathematics import latex
from qgen.mathematics.problem import Problem
from qgen.settings.choices import Language

SCRIPTS = {Language.en: {"LATIN"}, Language.zh: {"CJK", "LATIN"}}  # Chinese names its points and sets in Latin letters
NAMES = {Language.en: "English", Language.zh: "Chinese"}
LEAST = 0.05  # share of a corpus that a language must have, for what is learned from the corpus to know it


@cache
def script(letter: str) -> str:
    """The script that a letter belongs to, by the first word of its Unicode name: LATIN, CYRILLIC, CJK, ..."""
    return unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]


def scripts(statement: str) -> set[str]:
    """The scripts of a statement, its mathematics left out."""
    return {script(c) for c in latex.prose(statement, "") if c.isalpha()}


def shares(problems: list[Problem]) -> dict[Language, float]:
    """The share of the problems that is in each language; what has no letters of its script is in none of them."""
    found: dict[Language, float] = defaultdict(float)
    for problem in problems:
        used = scripts(problem.statement)
        for language, mark in ((Language.zh, "CJK"), (Language.en, "LATIN")):
            if mark in used:
                found[language] += 1 / len(problems)
                break
    return found


def check(problems: list[Problem], language: Language) -> None:
    """Raise RuntimeError where problems are asked for in a language that (almost) no training problem is in.

    They are what is taught, and what novelty and difficulty are measured by; the gate reads both languages without
    them (metrics/prose.py). Where the language has less than half of them, that is printed.
    """
    found = shares(problems)
    share = found[language]
    if share >= 0.5:
        return
    told = f"prompt={language.value} asks for {NAMES[language]}, and {share:.0%} of the training problems are in it"
    if share >= LEAST:
        print(f"{told}: novelty and difficulty are learned from all of them")
        return
    usual, most = max(found.items(), key=lambda item: item[1], default=(language, 0.0))
    instead = f"prompt={usual.value}, or " if most >= LEAST else ""
    raise RuntimeError(
        f"{told}. They are what is taught, and what novelty and difficulty are measured by: choose {instead}"
        f"problems in {NAMES[language]}"
    )
