r"""Control characters in a text: restored where JSON made them of LaTeX's backslashes, refused elsewhere (pure).

In JSON "\frac" with a single backslash is valid, and is a form feed and "rac"; so are \theta, \binom, \rho and \neq.
"""

import re
from collections.abc import Callable

from qgen.mathematics.latex import MATH

# Commands of competition mathematics whose first letter JSON takes for an escape, by what it makes of it. \ne, \nu and
# \ni stand apart: a line break may well be followed by e, u or i; so may it by "less"
_COMMANDS = {
    "\b": "bar because begin beta beth between bf big bigcap bigcup bigg biggl biggr bigl bigoplus bigotimes bigr "
    "bigtriangleup bigvee bigwedge binom blacksquare bm bmod boldsymbol bot bowtie boxed breve bullet",
    "\f": "fbox flat footnotesize forall frac frak frown",
    "\n": "nabla natural ncong nearrow neg neq nexists ngeq ngtr nleq nmid nolimits nonumber not notin nparallel nprec "
    "nrightarrow nsim nsubset nsubseteq nsucc nsupseteq nwarrow",
    "\r": "rVert rangle rbrace rbrack rceil rfloor rgroup rho right rightarrow rightharpoonup rightleftharpoons rm "
    "root rtimes rvert",
    "\t": "tan tanh tau tbinom text textbf textit textnormal textrm textsf textstyle texttt textup tfrac therefore "
    "theta tilde times tiny to top triangle triangleleft triangleq triangleright tt",
}


def restored(text: str, bare: bool = False) -> str:
    """A text with the LaTeX commands in its mathematics that JSON's escapes ate, and with plain blanks and line breaks.

    Args:
        bare: a text without dollars is mathematics, as an answer may be.

    Raises ValueError naming the character where one is left that may be half a command, or has no place in a text.
    """
    text, bare = text.replace("\r\n", "\n"), bare and "$" not in text

    def inside(change: Callable[[str], str], text: str) -> str:
        return change(text) if bare else MATH.sub(lambda found: change(found.group()), text)

    found = inside(_mended, text)
    if "\\" not in text:  # so that nobody doubled a backslash here, and a line break may be half of \\ne too
        found = inside(_refuse_doubtful if found == text else _mended_all, found)
    inside(_refuse_tab, found)
    if left := _HALF.search(found):
        raise ValueError(f"holds {_name(left.group()[0])}")
    found = found.replace("\t", " ")
    if odd := foreign(found):
        raise ValueError(f"holds {odd}")
    return found


def foreign(text: str) -> str | None:
    """The first control character but line breaks (or half a surrogate pair, which no file can hold), by name."""
    found = _FOREIGN.search(text)
    return _name(found.group()) if found else None


def _mended(piece: str) -> str:
    return _EATEN.sub(_command, piece)


def _mended_all(piece: str) -> str:
    return _DOUBTFUL.sub(_command, piece)


def _command(found: re.Match) -> str:
    return "\\" + _COMMANDS[found.group()[0]][0] + found.group()[1:]


def _refuse_doubtful(piece: str) -> str:
    if found := _DOUBTFUL.search(piece):
        raise ValueError(rf"holds a line break that may be half of \n{found.group()[1:]}")
    return piece


def _refuse_tab(piece: str) -> str:
    if _TAB.search(piece):
        raise ValueError(f"holds {_name(chr(9))}")
    return piece


def _name(char: str) -> str:
    if "\ud800" <= char <= "\udfff":
        return "half a surrogate pair"
    names = {"\b": r"a backspace (\b)", "\f": r"a form feed (\f)", "\r": r"a carriage return (\r)", "\t": r"a tab (\t)"}
    return names.get(char, f"the control character U+{ord(char):04X}")


def _eaten(chars: str) -> re.Pattern:
    halves = (rf"{char}(?:{'|'.join(name[1:] for name in _COMMANDS[char].split())})" for char in chars)
    return re.compile(f"(?:{'|'.join(halves)})(?![A-Za-z])")


_EATEN = _eaten("\b\f\n\r\t")
_HALF = _eaten("\b\f\r\t")  # outside of mathematics a line break is one
_DOUBTFUL = re.compile(r"\n[eui](?![A-Za-z])")
_TAB = re.compile(r"\S[ \t]*\t[A-Za-z]")  # not what indents a line, and so perhaps a command that is not listed
_FOREIGN = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
