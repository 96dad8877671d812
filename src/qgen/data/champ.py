"""CHAMP: 270 competition problems with concepts, hints and solutions (Mao et al., 2024, arXiv:2406.18321)."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from qgen.mathematics.problem import Problem
from qgen.runtime.strict import require
from qgen.settings.data import DataConfig

LICENCE = "MIT"
_TOPICS = {"Number-Theory": "Number Theory"}


def read(config: DataConfig) -> Iterator[Problem]:
    """All problems, in the package's order. The level is the quintile of the work that a solution takes."""
    champ = _package()
    work = {key: _work(problem) for key, problem in champ.problems.items()}
    ranked = sorted(work.values())
    for key, raw in champ.problems.items():
        yield Problem(
            statement=latex(raw.raw_text),
            answer=answer(raw.raw_answer),
            solution="\n".join(latex(step._raw_text) for step in raw.solution.steps),
            topic=_TOPICS.get(raw.category, raw.category),
            level=1 + min(4, 5 * ranked.index(work[key]) // len(ranked)),
            points=tuple(dict.fromkeys(name for c in raw.ch_list if c.startswith("C_") and (name := _name(champ, c)))),
            source="CHAMP",
            licence=LICENCE,
            id=key,
        )


@cache
def _package() -> Any:
    return require("champ_dataset", "pip install champ-dataset==1.0.0").load("v0")


def version() -> str:
    """The path of the data file, which identifies what was read."""
    return str(resources.files("champ_dataset").joinpath("dataset_files", "v0.json"))


def _work(raw) -> int:
    """Steps of the solution plus the concepts and hints it needs: CHAMP has no difficulty of its own."""
    return len(raw.solution.steps) + len(raw.ch_list)


def _name(champ, concept: str) -> str | None:
    return champ.concepts[concept].name


def answer(raw: str) -> str:
    """CHAMP's answers in the short form that is asked for: '@@C(10, 5)@@, or equivalently @@252@@' is '$252$'."""
    text = raw.split("or equivalently")[-1]
    text = re.sub(r"\s*\(i\.e\.,.*\)\s*$", "", text)
    text = re.sub(r"\s+is the only possible value$", "", text.strip())
    return latex(text.strip())


def latex(raw: str) -> str:
    """CHAMP marks mathematics as @@x_(n+1)<=2^(k*m)@@; return the text with it as LaTeX between dollars."""
    pieces = raw.split("@@")
    return "".join(f"${_math(piece)}$" if i % 2 else piece for i, piece in enumerate(pieces))


_WORDS = {"sum_": r"\sum_", "prod_": r"\prod_", "sqrt": r"\sqrt", "floor": r"\operatorname{floor}"}
_FUNCTIONS = re.compile(r"(?<![\\a-zA-Z])(gcd|lcm|mod|sin|cos|tan|log|max|min|lim)(?![a-zA-Z])")
_SIGNS = {
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "±": r"\pm ",
    "π": r"\pi ",
    "−": "-",
    "→": r"\to ",
    "∞": r"\infty ",
    "*": r"\cdot ",
}
_MACROS = {"lcm": r"\operatorname{lcm}", "mod": r"\bmod"}


def _math(text: str) -> str:
    text = text.replace("{", r"\{").replace("}", r"\}").replace("%", r"\%").replace("...", r"\ldots ")
    for plain, macro in _WORDS.items():
        text = re.sub(rf"(?<![\\a-zA-Z]){plain}", macro.replace("\\", r"\\"), text)
    text = _FUNCTIONS.sub(lambda m: _MACROS.get(m[1], "\\" + m[1]), text)
    text = _braces(text)
    for sign, macro in _SIGNS.items():
        text = text.replace(sign, macro)
    return re.sub(r" +([,)}=<>+-])", r"\1", text).strip()


def _braces(text: str) -> str:
    """Turn ^(...), _(...) and \\sqrt(...) into ^{...}, _{...} and \\sqrt{...}, whatever nests inside."""
    out, stack = [], []
    for i, char in enumerate(text):
        if char == "(":
            script = text[:i].endswith(("^", "_", r"\sqrt"))
            stack.append(script)
            out.append("{" if script else "(")
        elif char == ")":
            out.append("}" if stack and stack.pop() else ")")
        else:
            out.append(char)
    # x^10 and x_12 mean all the digits, where LaTeX would take the first
    return re.sub(r"([\^_])(\d{2,}|-\d+)", r"\1{\2}", "".join(out))
