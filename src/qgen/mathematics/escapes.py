r"""Control characters in a text: restored where JSON made them of LaTeX's backslashes, refused elsewhere (pure).

In JSON "\frac" with a single backslash is valid, and is a form feed and "rac"; so are \theta, \binom, \rho and \neq.
"""

import re
from collections.abc import Callable

from qgen.mathematics.latex import MATH

# LaTeX's and amssymb's commands whose first letter JSON takes for an escape, by what it makes of it. \ne, \nu, \ni and
# \nless stand apart: a line break may well be followed by e, u, i or "less"
_COMMANDS = {
    "\b": "backepsilon backprime backsim backsimeq backslash bar barwedge because begin beta beth between bf big "
    "bigcap bigcirc bigcup bigg biggl biggr bigl bigodot bigoplus bigotimes bigr bigsqcup bigstar "
    "bigtriangledown bigtriangleup biguplus bigvee bigwedge binom blacklozenge blacksquare blacktriangle bm "
    "bmod boldsymbol bot bowtie boxdot boxed boxminus boxplus boxtimes breve bullet bumpeq",
    "\f": "fallingdotseq fbox flat footnotesize forall frac frak frown",
    "\n": "nLeftarrow nLeftrightarrow nRightarrow nVDash nVdash nabla natural ncong nearrow neg neq newline newpage "
    "nexists ngeq ngeqq ngeqslant ngtr nleftarrow nleftrightarrow nleq nleqq nleqslant nmid nobreak noindent "
    "nolimits nonumber normalsize not notag notin nparallel nprec npreceq nrightarrow nshortmid nshortparallel "
    "nsim nsubset nsubseteq nsubseteqq nsucc nsucceq nsupset nsupseteq nsupseteqq ntriangleleft "
    "ntrianglelefteq ntriangleright ntrianglerighteq nvDash nvdash nwarrow "
    "nicefrac nthroot numberline",
    "\r": "rVert raise rangle ratio rbrace rbrack rceil rfloor rgroup rho right rightarrow rightarrowtail "
    "rightharpoondown rightharpoonup rightleftarrows rightleftharpoons rightrightarrows rightsquigarrow "
    "rightthreetimes risingdotseq rm rmoustache root rtimes rule rvert",
    "\t": "tag tan tanh tau tbinom text textbf textcolor textit textnormal textrm textsc textsf textstyle texttt "
    "textup tfrac therefore theta thickapprox thicksim thinspace tilde times tiny to top triangle triangledown "
    "triangleleft trianglelefteq triangleq triangleright trianglerighteq tt twoheadleftarrow twoheadrightarrow",
}
_WORDS = "exists mid parallel subset"  # with which a line of prose may begin, too


def restored(text: str, bare: bool = False) -> str:
    """A text with the LaTeX commands in its mathematics that JSON's escapes ate, and with plain blanks and line breaks.

    Args:
        bare: a text without dollars is mathematics, as an answer may be.

    Raises ValueError naming the character where one is left that may be half a command, or has no place in a text.
    """
    text, bare = _INVISIBLE.sub("", text.replace("\r\n", "\n")), bare and "$" not in text

    def inside(change: Callable[[str], str], text: str) -> str:
        return change(text) if bare else MATH.sub(lambda found: change(found.group()), text)

    found = inside(_mended, text)
    if "\\" not in text:  # so that nobody doubled a backslash here, and a line break may be half of \\ne too
        found = inside(_refuse_doubtful if found == text else _mended_all, found)
    inside(_refuse_tab, found)
    if left := _HALF.search(found) or ("\\" not in text and _BEGUN.search(found)):
        raise ValueError(f"holds {_half(left)}")
    found = found.replace("\t", " ")
    if odd := foreign(found):
        raise ValueError(f"holds {odd}")
    return found


def foreign(text: str) -> str | None:
    """What has no place in a problem, by name: the first control character but line breaks, half a surrogate pair,
    character that is lost, unseen, unassigned or turns the direction of what follows, or mark of a chat template."""
    found = _FOREIGN.search(text)
    return _name(found.group()) if found else None


def control(text: str) -> str | None:
    """What has no place in any text, by name: the first control character but line breaks, or half a surrogate pair,
    which no file can hold."""
    found = _CONTROL.search(text)
    return _name(found.group()) if found else None


def _mended(piece: str) -> str:
    return _EATEN.sub(_command, piece)


def _mended_all(piece: str) -> str:
    return _DOUBTFUL.sub(_command, piece)


def _command(found: re.Match) -> str:
    return "\\" + _COMMANDS[found.group()[0]][0] + found.group()[1:]


def _refuse_doubtful(piece: str) -> str:
    if found := _DOUBTFUL.search(piece):
        raise ValueError(f"holds {_half(found)}")
    return piece


def _refuse_tab(piece: str) -> str:
    if _TAB.search(piece):
        raise ValueError(f"holds {_name(chr(9))}")
    return piece


def _half(found: re.Match) -> str:
    half = found.group()
    return rf"a line break that may be half of \n{half[1:]}" if half[0] == "\n" else _name(half[0])


def _name(char: str) -> str:
    if len(char) > 1:
        return f"a chat template's {char}"
    if "\ud800" <= char <= "\udfff":
        return "half a surrogate pair"
    names = {"\b": r"a backspace (\b)", "\f": r"a form feed (\f)", "\r": r"a carriage return (\r)", "\t": r"a tab (\t)"}
    kind = "control " if _CONTROL.match(char) else ""
    return names.get(char, f"the {kind}character U+{ord(char):04X}")


def _eaten(chars: str, but: str = "") -> re.Pattern:
    halves = (rf"{char}(?:{'|'.join(_halves(char) - set(but.split()))})" for char in chars)
    return re.compile(f"(?:{'|'.join(halves)})(?![A-Za-z])")


def _halves(char: str) -> set[str]:
    return {name[1:] for name in _COMMANDS[char].split()}


_EATEN = _eaten("\b\f\n\r\t")
_HALF = _eaten("\b\f\n\r\t", but=_WORDS)
_DOUBTFUL = re.compile(r"\n(?:[eui]|less)(?![A-Za-z])")
_BEGUN = re.compile(r"\n[eu](?![\w.'’])")  # a line outside of mathematics, but none that begins with "e.g."
_TAB = re.compile(r"\S[ \t]*\t[A-Za-z]")  # not what indents a line, and so perhaps a command that is not listed
_INVISIBLE = re.compile("[\u00ad\u200b\u2060-\u2064\ufeff]")  # hyphens, blanks and signs that pages hide in a text
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
_FOREIGN = re.compile(
    rf"{_CONTROL.pattern}|<[|｜][A-Za-z][^\s<>|｜]{{2,30}}[|｜]>|{_INVISIBLE.pattern}|"
    r"[\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufdd0-\ufdef\ufff9-\ufffd\ufffe\uffff\ue000-\uf8ff"
    r"\U000e0000-\U000e007f\U000f0000-\U0010ffff]"
)
