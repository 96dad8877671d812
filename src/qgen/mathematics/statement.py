"""Reading a statement: its sentences, what they ask, and whether one of them gives the answer away (pure).

English and Chinese. A placeholder stands for mathematics, so that what is inside cannot end a sentence.
"""

import re

from qgen.mathematics import latex

_TOKEN = re.compile(r"\\[a-zA-Z]+|[^\W\d_]+|\d+(?:\.\d+)?|[=<>+*/^-]|[^\s\w]")


def sentences(text: str) -> list[str]:
    """The sentences of a text, mathematics included."""
    spans: list[str] = []

    def keep(found: re.Match) -> str:
        spans.append(found.group())
        inside = found.group().rstrip("$)]\\ \n")
        stop = f"\x01{inside[-1]}" if inside[-1:] in (".", "?") else ""  # a stop inside of the formula
        return f"\x00{len(spans) - 1}\x00{stop}"

    marked = latex.MATH.sub(keep, text.replace("\x00", " ").replace("\x01", " "))
    parts = re.split(_BREAK, marked)
    whole = [re.sub(r"\x00(\d+)\x00(?:\x01.)?", lambda found: spans[int(found[1])], part) for part in parts]
    return [sentence.strip() for sentence in whole if sentence.strip()]


def questions(text: str) -> int:
    """How many things a statement asks for, taken together. What says how to write the answer asks for nothing."""
    plain = latex.prose(text)
    if len(_ITEM.findall(plain)) > 1 or len(_PART.findall(plain)) > 1:
        return 2
    counts = [(_asks(part), bool(_INSTRUCTION.match(part))) for part in map(latex.prose, sentences(text))]
    asked = sum(count for count, instruction in counts if not instruction)
    return asked or int(any(count for count, _ in counts))


def question(text: str) -> str:
    """The sentence that asks, or the whole statement where none does."""
    return next((s for s in reversed(sentences(text)) if _asks(latex.prose(s)) and not _INSTRUCTION.match(s)), text)


def _asks(plain: str) -> int:
    """How many things a sentence asks for, its mathematics being replaced."""
    asked = max(len(_QUESTION.findall(plain)), int(bool(_MARK.search(plain) or _ASK.search(plain))))
    return asked + bool(_SEVERAL.search(plain)) if asked else 0


def leaked(statement: str, answer: str) -> bool:
    """Whether the statement says what its answer is.

    It does where the answer follows 'the answer is', 'so that x equals', '(hint: ' and the like; where the very
    thing that is asked for stands before '= answer'; and, for an answer of two characters or more, where it follows
    any 'is', 'equals' or '=' outside of a condition, or stands in a sentence after the question.
    """
    if _SAID.search(latex.prose(statement)):
        return True
    said, sought = _tokens(statement), _core(answer)
    if not sought:
        return False
    parts = sentences(statement)
    end = next((n for n, part in enumerate(parts) if _MARK.search(latex.prose(part))), len(parts))
    for part in parts[end + 1 :]:  # what is said after the question, but for how to write the answer
        if len("".join(sought)) > 1 and not _INSTRUCTION.match(part) and _contains(_tokens(part), sought):
            return True
    asked = _asked(statement)
    for i in range(len(said) - len(sought) + 1):
        after = said[i + len(sought)] if i + len(sought) < len(said) else ""
        if said[i : i + len(sought)] != sought or _GOES_ON.match(after):
            continue
        before = " ".join(said[max(0, i - 12) : i])
        if _TOLD.search(before):
            return True
        if asked and said[i - 1] == "=" and _ends_with(said[: i - 1], asked):
            return True
        if len("".join(sought)) > 1 and _VALUE.search(before) and not _GIVEN.search(before):
            return True
    return False


def repeats(text: str) -> bool:
    """Whether a text loops: a sentence stands in it twice, or thrice but for its letters and numbers, or four words
    in a row stand in it four times."""
    seen: list[set[str]] = []
    forms: dict[tuple[str, ...], int] = {}
    for sentence in sentences(text):
        words = _tokens(sentence)
        bag = set(words)
        if len(bag) >= 5:
            if any(len(bag & other) >= 0.85 * len(bag | other) for other in seen):
                return True
            seen.append(bag)
        form = tuple("x" if (len(word) == 1 and word.isalnum()) or word.isdigit() else word for word in words)
        forms[form] = forms.get(form, 0) + 1
        if len(form) >= 4 and forms[form] >= 3:
            return True
    words, runs = latex.prose(text, " ").lower().split(), {}
    for i in range(len(words) - 3):
        run = tuple(words[i : i + 4])
        runs[run] = runs.get(run, 0) + 1
    return any(count >= 4 for count in runs.values())


def _tokens(text: str) -> list[str]:
    return [
        t for t in _TOKEN.findall(text.lower()) if t not in ("$", "{", "}", ".", ",", "\\text", "\\boxed", "\\left")
    ]


def _core(answer: str) -> list[str]:
    """An answer's tokens, without the 'x =' that some begin with."""
    said = _tokens(answer)
    return said[len(said) - said[::-1].index("=") :] if "=" in said else said


def _asked(statement: str) -> list[str]:
    """The tokens of the expression that the last question is about, if it is about one."""
    for sentence in reversed(sentences(statement)):
        if found := _ABOUT.search(sentence):
            return _tokens(found["what"])
    return []


def _contains(said: list[str], sought: list[str]) -> bool:
    return any(said[i : i + len(sought)] == sought for i in range(len(said) - len(sought) + 1))


def _ends_with(said: list[str], asked: list[str]) -> bool:
    """Whether `asked = ... =` could be what `said` ends with: the asked tokens stand in its last equation chain."""
    return _contains(said[-24:], asked)


_BREAK = re.compile(r"(?<=[.?!])[\"'”’)]*\s+(?=[\"'“‘(]*[A-Z\x00])|(?<=[。？！])|(?<=\x01[.?!])\s+|\n{2,}")
_START = r"(?:^|[.!?;:,]\s*|[\"“(]\s*|\bx\s+|\b(?:then|now|please|and|fully|completely|also|hence)\s+)"
_ASK = re.compile(
    rf"{_START}(?:find|compute|determine|evaluate|calculate|solve|simplify|prove|show that|expand|"
    rf"factor(?:i[sz]e)?|count|"
    r"rationali[sz]e|convert|round|add|subtract|multiply|divide|graph|express|enter|state|report|give|list|name|tell|"
    r"write|complete|describe|identify|estimate|classify|match|remove|what|which|how (?:many|much|far|long|large)|"
    r"in how many|for how many|by how many)\b|求|证明|计算|确定|试问|多少|是否|几个",
    re.I,
)
_QUESTION = re.compile(  # where a question of its own begins, so that two of them can be told in one sentence
    r"(?:^|[.!?;:,]|\band|\bthen|\balso|\bnext)\W*(?:(?:and|then|also|next|hence|finally|please|if so|"
    r"in addition),?\s+)*"
    r"(?:(?:find|compute|determine|evaluate|calculate|solve|prove|report|state)\b|give the\b(?! (?:final )?answer)|"
    r"what (?:is|are|was)\b|(?:in |for )?how (?:many|much)\b)",
    re.I,
)
_MARK = re.compile(r"[?？]")
_SEVERAL = re.compile(
    r"\bas well as the\b|\btogether with the\b|, and (?:also )?the (?:\w+ ){0,2}(?:number|sum|product|value|"
    r"area|remainder|"
    r"probability|maximum|minimum|largest|smallest|length|volume|perimeter|coefficient) (?:\w+ )?(?:of|when|that)\b|"
    r"\b(?:two|three|four|several|following) (?:quantities|questions|things|parts)\b|\bboth parts\b",
    re.I,
)
_INSTRUCTION = re.compile(
    r"^\W*(?:(?:enter|express|separate|type|round|write|note|recall|here|leave|for example|for instance)\b"
    r"|(?:simplify|give|state|report|assume|list|answer)\b[^?]*\b(?:answers?|form|fraction|decimal|places?|hundredth|"
    r"tenth|nearest|in terms of|separated|first|choices?|percent|simplest)\b)",
    re.I,
)
_ITEM = re.compile(r"(?:^|\s)\((?:[a-d]|i{1,3}|[1-4])\)\s")
_PART = re.compile(r"\bpart \(?(?:[a-d1-4]|one|two|i{1,3})\)?:", re.I)
_TOLD = re.compile(
    r"\b(?:answer|solution|result|hint|reply|key|choice)\b[^?!]*\b(?:is|are|equals?|=|:|read|reads|be|of|namely)\b[^?!]{0,16}$"
    r"|\bhint\b[^?!]{0,40}$"
    r"|\b(?:so that|note that|recall that|hence|therefore|thus|in particular|knowing that|namely|turns out|in fact|"
    r"it is|which (?:is|equals)|ends? in|reads?|remember that|we get|we find|obtain|gives?)\b[^?!]{0,40}$"
    r"|答案[是为：:]?\s*$|[=是为]\s*答案",
    re.I,
)
_GOES_ON = re.compile(r"[-+^/*(]$|\\[a-z]+$|[a-z]$")  # a number that is part of a larger expression
_SAID = re.compile(  # something about the answer that is not about how to write it
    r"\b(?:the|its|this|correct|right|your) (?:final |correct |right )?"
    r"(?:(?:answer|choice)\b[^.?!]{0,40}|(?:solution|result)\s+)\b(?:is|equals|will be|turns out)\b"
    r"(?! (?:not|in|of|expressed|written|rounded|a common|an integer|a positive|an? \w+ of|closest|to be))",
    re.I,
)
_VALUE = re.compile(r"(?:=|\b(?:is|are|equals?|equal to|be|exactly|namely|at most|at least))$", re.I)
_GIVEN = re.compile(
    r"\b(?:if|where|such that|given|suppose|when|with|let|assume|satisfies|for|has|have|\\in)\b[^?!;]*$", re.I
)
_ABOUT = re.compile(
    r"\b(?:find|compute|determine|evaluate|calculate|what (?:is|are)|value of|"
    r"term)\b[^$]{0,60}\$(?P<what>[^$]{1,60})\$",
    re.I,
)
