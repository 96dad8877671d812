"""Whether a statement tells its own answer, or an answer is nothing but the question (pure). English and Chinese."""

import re

from qgen.mathematics import latex
from qgen.mathematics.statement import CHOICE, asking, question, sentences, tokens, writing


def leaked(statement: str, answer: str) -> bool:
    """Whether the statement says what its answer is.

    It does where a sentence speaks of 'the answer'; where the answer follows 'hint:', 'namely', 'therefore x =' and the
    like; where a formula sets the very thing that is asked for equal to it; and, for an answer of two characters or
    more, where what the question names 'is' or 'equals' it outside of a condition, or where little else is
    said after the question. What a choice shows, and how the answer is to be written, gives nothing away.
    """
    statement, answer = _dollars(statement), _dollars(answer)
    parts = [part for part in sentences(statement) if not writing(latex.prose(part)) and not CHOICE.match(part)]
    if any(_SAID.search(latex.prose(part)) for part in parts):
        return True
    sought, asked, named = _core(answer), _asked(statement), set(tokens(latex.prose(question(statement))))
    if not sought:
        return False
    long, over = len("".join(sought)) > 1, False
    for part in parts:
        if any(_equated(found.group(), asked, sought) for found in latex.MATH.finditer(part)):
            return True
        said = tokens(part)
        for i in _places(said, sought):
            before = re.sub("(?<=[一-鿿]) (?=[一-鿿])", "", " ".join(said[max(0, i - 12) : i]))
            if _TOLD.search(before) or (long and over and len(said) <= len(sought) + 8):
                return True
            value = _VALUE.search(before)
            if long and value and not _GIVEN.search(before):
                subject = {word for word in value["subject"].split() if word.isalpha() and len(word) > 2} - _ARTICLES
                if subject <= named:
                    return True
        over = over or asking(part)
    return False


def echoed(statement: str, answer: str) -> bool:
    """Whether the answer is the question again, or the expression that is to be worked out."""
    statement, given = _dollars(statement), tokens(_dollars(answer.rstrip(_STOPS)))
    worked = _WORKED.search(question(statement))
    if len(given) > 1 and worked and given == tokens(worked["what"]):
        return True
    words = [token for token in given if (token.isalpha() and len(token) > 1) or "一" <= token[0] <= "鿿"]
    return len(words) >= 4 and bool(_places(tokens(question(statement)), given))


def _dollars(text: str) -> str:
    r"""A text with dollars around all of its mathematics, in the place of \( and \[."""
    return re.sub(r"(?<!\\)\\[()\[\]]|\$\$", "$", text)


def _core(answer: str) -> list[str]:
    """An answer's tokens, without the 'x =' that some begin with."""
    said = tokens(answer)
    return said[len(said) - said[::-1].index("=") :] if "=" in said else said


def _asked(statement: str) -> list[str]:
    """The tokens of the expression that the last question is about, if it is about one."""
    for sentence in reversed(sentences(statement)):
        if found := _ABOUT.search(sentence):
            return tokens(found["what"])
    return []


def _places(said: list[str], sought: list[str]) -> list[int]:
    """Where `sought` begins in `said`, but for where it is part of a larger expression."""
    ends = range(len(sought), len(said) + 1)
    found = [end - len(sought) for end in ends if said[end - len(sought) : end] == sought]
    return [i for i in found if i + len(sought) == len(said) or not _GOES_ON.match(said[i + len(sought)])]


def _equated(span: str, asked: list[str], sought: list[str]) -> bool:
    """Whether a formula is a chain of equations that `asked` stands before and `sought` at a later place in; or what
    is asked for is itself such a chain, of one expression without letters."""
    sides = [tokens(side) for side in re.split(r"(?<![<>!\\])=", latex.bare(span))]
    if sought not in sides[1:] or not asked:
        return False
    first = sides[: sides.index(sought, 1)]
    return asked in first or (tokens(span) == asked and not any(token.isalpha() for token in first[0]))


_STOPS = " ?？.。．"
_ARTICLES = {"the", "its", "this", "that", "their", "all", "has", "have", "of"}
_TOLD = re.compile(
    r"\b(?:answer|solution|reply|key)\b[^?!]*\b(?:is|are|equals?|=|:|read|reads|be|of|namely)\b[^?!]{0,16}$"
    r"|\b(?:answer|solution|result|key)\b\W{0,3}$|\bhint\b[^?!]{0,40}$"
    r"|\b(?:note|recall|remember|knowing|so|fact|out|result|it|that) (?:[^?!]{0,40} )?(?:is|are|equals?|reads?)$"
    r"|\b(?:hence|therefore|thus|i e|so that|in particular|we get|we find|obtain)\b[^?!]{0,40}(?:=|\b(?:is|equals?))$"
    r"|\b(?:namely|it is|which (?:is|equals)|we get|we find|obtain|which gives)(?: the)?$|\bends in(?: the digit)?$"
    r"|答案[是为：:]?$|[=是为] ?答案|(?:所以|因此|故|即|从而)[^？。]{0,20}[=是为]$",
    re.I,
)
_GOES_ON = re.compile(r"[-+^/*(]$|\\[a-z]+$|[a-z]$")  # a number that is part of a larger expression
_SAID = re.compile(  # something about the answer that is not about how to write it
    r"\b(?:the|its|this|correct|right|your) (?:final |correct |right )?(?:answer|choice)\b[^.?!]{0,40}\b"
    r"(?:is|equals|will be|turns out)\b"
    r"(?! (?:not|in|of|expressed|written|rounded|a common|an integer|a positive|an? \w+ of|closest|to be))",
    re.I,
)
_VALUE = re.compile(
    r"(?P<subject>(?:[^\s.?!;:,]+ )*?)\b(?:is|are|equals?|equal to|be|exactly|namely|at most|at least)"
    r"(?: (?:equal to|exactly|at most|at least))?$",
    re.I,
)
_GIVEN = re.compile(
    r"\b(?:if|where|such that|given|suppose|when|with|let|assume|satisfies|for|has|have|\\in)\b[^?!;]*$", re.I
)
_WORKED = re.compile(
    r"(?:\b(?:compute|evaluate|calculate|determine|simplify|factor|factorize|expand|what is|find)"
    r"(?: the (?:(?:exact|numerical|simplified) )?(?:value|sum|product|result) of)?(?: the)?"
    r"(?: (?:(?:following|given|trigonometric|algebraic|numerical) )?(?:expression|polynomial|quadratic))?"
    r"|计算|求|化简|因式分解)\s?:? ?\$(?P<what>[^$]{1,300})\$",
    re.I,
)
_ABOUT = re.compile(
    r"(?:\b(?:find|compute|determine|evaluate|calculate|simplify|what (?:is|are)|value of|term)\b|求|计算)"
    r"[^$]{0,60}\$(?P<what>[^$]{1,300})\$",
    re.I,
)
