"""Problems whose answer is asked for as an expression of letters: that expression, and the problem with numbers.

"How many diagonals has a convex polygon of $n$ vertices, as an expression of $n$?" with the answer $n(n-3)/2$ asks, for
twelve vertices, for 54.
"""

import re

from qgen.mathematics.answers import bare
from qgen.mathematics.latex import MATH
from qgen.mathematics.problem import Problem

ROOM = 12  # characters of an answer in numbers
_AS = r"(?:as an? (?:expression|function)|in terms) of"
_CLAUSE = re.compile(rf"\s+(?:Express|Give|Write) your answer {_AS} [^.?]*\.|,? (?:possibly )?{_AS} [^.?]*(?=[.?])")
_LETTER = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]")
_FACTOR = re.compile(r"(?:[\d)!]|(?<![\\a-zA-Z])[a-zA-Z]+)$")  # what a letter after it is multiplied with
_CHOOSE = re.compile(r"(?<![a-zA-Z\\])C\(([^(),]*), ?([^(),]*)\)")
_PLAIN = re.compile(r"(?:[\d+\-()/^!{} ]|\\cdot|\\[dt]?frac|\\binom|\\lfloor|\\rfloor|(?<![\\a-zA-Z])[a-zA-Z])+")
_SUM, _TIMES = (
    re.compile(rf"(?<=[({{,$_^])(?P<space> ?)(?P<a>\d+) ?(?P<sign>{sign}) ?(?P<b>\d+)(?=[)}}, {also}$]|\\\}})")
    for sign, also in (("[+-]", ""), (r"\\cdot", r"+\-"))
)


def formula(problem: Problem) -> tuple[str, tuple[str, ...]] | None:
    """The answer as a template with {0}, {1}, ... for letters, and the letters; None where the statement does not ask
    for an expression of letters that it leaves free."""
    clause = _CLAUSE.search(problem.statement)
    if not clause:
        return None
    said = clause.group().split(" of ")[-1].replace("$", "")
    letters = tuple(dict.fromkeys(re.findall(r"(?<![a-zA-Z])[a-zA-Z](?![a-zA-Z])", said)))
    answer = _CHOOSE.sub(r"\\binom{\1}{\2}", bare(problem.answer))
    answer = re.sub(r"\\operatorname\{floor\}\(([^()]*)\)", r"{\\lfloor \1\\rfloor}", answer)
    used = {name for name in _LETTER.findall(answer) if len(name) == 1}
    if not letters or "$" in answer or not _PLAIN.fullmatch(answer) or used != set(letters):
        return None
    if any(_bound(letter, problem.statement) for letter in letters):
        return None
    slots = {letter: f"\x01{i}\x02" for i, letter in enumerate(letters)}
    found = _put(answer, slots, everywhere=True).replace("{", "{{").replace("}", "}}")
    return found.replace("\x01", "{").replace("\x02", "}"), letters


def with_numbers(statement: str, values: dict[str, int]) -> str:
    """The statement with numbers for its letters, and without the clause that asks for an expression."""

    def span(found: re.Match) -> str:
        written = _put(found.group(), {letter: str(value) for letter, value in values.items()})
        return written if written == found.group() else _SUM.sub(_sum, _TIMES.sub(_sum, written))

    return MATH.sub(span, _CLAUSE.sub("", statement))


def _bound(letter: str, statement: str) -> bool:
    """Whether a letter is introduced ("for an integer $n$") or compared: a number in its place would read oddly."""
    said = rf"\b(?:let|for|integers?|numbers?|real|prime|odd|even|all|any|every|each|some)\s+\$(?:[^$]*\W)?{letter}\b"
    compared = (
        rf"(?<![_\\a-zA-Z{{]){letter} ?(?:[<>=|]|\\[lg]eq?\b|\\neq?\b|\\in\b|\\to\b)|(?:[<>|]|\\[lg]eq?) ?{letter}\b"
    )
    return bool(re.search(said, statement, re.I)) or any(
        re.search(compared, m.group()) for m in MATH.finditer(statement)
    )


def _put(text: str, values: dict[str, str], everywhere: bool = False) -> str:
    """Mathematics with each letter replaced, a sign of multiplication where one was left out.

    Args:
        everywhere: also where the eye needs none, as before a bracket: the parser takes 2(5) for 2 and 5 parts.
    """

    def one(found: re.Match) -> str:
        if found.group() not in values:
            return found.group()
        before, after = text[: found.start()].rstrip(), text[found.end() :].lstrip()
        value = values[found.group()]
        if before.endswith(("^", "_")):
            return f"{{{value}}}" if len(value) > 1 else value
        times = r"\cdot " if _FACTOR.search(before) else ""
        return times + value + (r"\cdot " if everywhere and re.match(r"[(a-zA-Z]", after) else "")

    written = _LETTER.sub(one, text)
    return re.sub(r"(?<=[\d)!])(?=\()", r"\\cdot ", written) if everywhere else written


def _sum(found: re.Match) -> str:
    a, b = int(found["a"]), int(found["b"])
    return found["space"] + str({"+": a + b, "-": a - b}.get(found["sign"], a * b))
