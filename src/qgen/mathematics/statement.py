"""Reading a statement: its sentences, what they ask, whether they loop (pure). Whether they give the answer: leaks.py.

English and Chinese. A placeholder stands for mathematics, so that what is inside cannot end a sentence.
"""

import re
from collections import Counter

from qgen.mathematics import latex

ALIKE = 0.85  # share of two sentences' words that are in both, from which on one repeats the other
DISTINCT = 0.6  # share of a statement's runs of four words that stand in it for the first time, at least


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
    """How many things a statement asks for, taken together.

    What says how to write the answer asks for nothing, nor do conditions in a list, nor people who ask each other. A
    blank to be filled in asks where nothing else does, and so do choices, and verbs such as 'add' or 'simplify', which
    may be a step towards what is asked for.
    """
    text = _ITEM.sub(". ", text)
    told = [latex.prose(sentence) for sentence in sentences(_QUOTED.sub(" x ", text))]
    for parts in (told, [latex.prose(sentence) for sentence in sentences(text)]):
        if asked := sum(map(_asks, parts)):
            return asked
    return len(latex.BLANK.findall(text)) or int(any(map(_WEAK.search, told)) or len(CHOICES.findall(text)) > 2)


def question(text: str) -> str:
    """The sentence that asks, or the whole statement where none does."""
    return next((sentence for sentence in reversed(sentences(text)) if asking(sentence)), text)


def asking(sentence: str) -> bool:
    """Whether a sentence asks for something, other than for a way to write the answer."""
    plain = latex.prose(sentence)
    return bool(_asks(plain) or latex.BLANK.search(sentence))


def writing(plain: str) -> bool:
    """Whether a sentence, its mathematics being replaced, says how to write the answer."""
    return bool(_WRITING.match(plain))


def tokens(text: str) -> list[str]:
    """The words, numbers, commands and signs of a text in lower case, but for those that only set it."""
    return [token for token in _TOKEN.findall(text.lower()) if token not in _SET]


def programming(text: str) -> bool:
    """Whether a statement asks for a program instead of mathematics."""
    return bool(_CODE.search(text))


def repeats(text: str) -> bool:
    """Whether a text loops.

    It does where a sentence of five words or more comes again with a word or two changed, where one of four words or
    more stands in it four times but for letters and numbers, or where two fifths of its runs of four words stood in it
    before (distinct-4, Li et al., 2016; 99.9 % of MATH stay above .64). Choices may be alike.
    """
    seen: list[set[str]] = []
    forms: Counter[tuple[str, ...]] = Counter()
    for words in (tokens(sentence) for sentence in sentences(text) if not CHOICE.match(sentence)):
        bag = set(words)
        if len(bag) >= 5:
            if any(len(bag & other) >= ALIKE * len(bag | other) for other in seen):
                return True
            seen.append(bag)
        form = tuple("x" if (len(word) == 1 and word.isalnum()) or word.isdigit() else word for word in words)
        forms[form] += len(form) >= 4
    runs = list(zip(*(tokens(text)[i:] for i in range(4)), strict=False))
    return max(forms.values(), default=0) >= 4 or len(set(runs)) < DISTINCT * len(runs)


def _asks(plain: str) -> int:
    """How many things a sentence asks for, its mathematics being replaced."""
    if writing(plain) or _ASIDE.match(plain):
        return 0
    begun = len(_BEGUN.findall(plain))
    asked = max(begun, int(bool(_MARK.search(plain) or _HEAD.search(plain))))
    return asked + bool(asked and _BOTH.search(plain))


_CODE = re.compile(  # in none of the 8,000 problems of MATH
    r"\bpython\b|\b(?:write|create|design|implement|develop|give)\b[^.?!]{0,40}\b(?:program|algorithm|code|script)\b"
    r"|\b(?:write|create|implement|define) a function (?:that|which|to|called|named)\b"
    r"|编写[^。？！]{0,20}(?:程序|代码|函数)",
    re.I,
)
_LETTER = r"(?:\\(?:text|math)[a-z]{0,2}\{ ?)?[(（]?[A-H]\s?[).．）、:]"  # (A) 12, \textbf{(B)}, C. 7
CHOICE, CHOICES = re.compile(rf"[^\w\\（]*{_LETTER}"), re.compile(rf"(?<![\w$]){_LETTER}")
_TOKEN = re.compile(r"\\[a-zA-Z]+|[一-鿿]|[^\W\d_一-鿿]+|\d+(?:\.\d+)?|[=<>+*/^-]|[^\s\w]")
_SET = {"$", "{", "}", ".", ",", "\\text", "\\boxed", "\\left"}
_BREAK = re.compile(
    r"(?<=[.?!])(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bNo\.)[\"'”’)]*\s+(?=[\"'“‘(]*[A-Z\x00])"
    r"|(?<=[。？！．])|(?<=\x01[.?!])\s+|(?<=[.?!:])\n{2,}|\n{2,}(?!\x00)"
)
_ITEM = re.compile(
    r"(?:^|(?<=[\s:：,，;；.。．]))(?:[(（](?:[a-h]|i{1,3}|i?v|[1-9]|[一二三四五六])[)）]|[①-⑨])(?=\W*\w)", re.M
)
_QUOTED = re.compile(r"\"[^\"]{0,400}\"|“[^”]{0,400}”")
_MARK = re.compile(r"[?？]")

# What asks wherever a clause begins; at the head of a sentence alone, as it may stand in a condition elsewhere ("which
# is prime"); and where nothing else asks, as it may be a step of what is told ("if I add five").
_ASK = r"find|compute|determine|evaluate|calculate|solve|prove|show that|work out|report|state|what (?:is|are|was)"
_SETS = r"(?:in|for|by|at|to|on|of|from|with)"
_BEGUN = re.compile(
    r"(?:^|[.!?;:,]|\band|\bthen|\balso|\bnext)\W*(?:(?:and|then|also|next|hence|finally|please|if so|in addition|"
    rf"afterwards|separately),?\s+)*(?:(?:{_ASK})\b|give the\b(?! (?:final )?answer)|"
    rf"{_SETS}? ?how (?:many|much|long|far)\b)"
    r"|(?:^|[，。；：．,.;:！？）)\s]|并|再|试|请|别)(?:求(?![和导积])|计算|证明|确定|化简|(?:因式)?分解|解(?:方程|不等式|关于))",
    re.I,
)
_HEAD = re.compile(
    rf"(?:^|[.!?;:,(\"“]|\bx\s|\b(?:then|now|please|and|fully|completely|also|hence))\W*(?:{_ASK})\b"
    rf"|(?:^|[:,;]|\b(?:please|now|then))\W*(?:(?:please|{_SETS}) )?(?:what|how (?:many|much))\b"
    r"|^\W*(?:(?:please|now|then) )*(?:which|describe|identify|estimate|classify|sum|count|minimi[sz]e|maximi[sz]e|"
    r"complete|match|how|who|where)\b"
    r"|多少|是否|哪|谁|何|几[个种何人次条项天]|求|试问",
    re.I,
)
_WEAK = re.compile(
    r"(?:^|[.!?;:,(]|\bx\s|\b(?:then|and))\W*(?:(?:fully|completely) )?(?:add|subtract|multiply|divide|round|give|"
    r"write|rewrite|list|name|tell|enter|remove|simplify|expand|factor(?:i[sz]e)?|rationali[sz]e|convert|express|graph|order|"
    r"arrange|choose|draw|for which|in how many)\b|写出|比较|估计",
    re.I,
)
_QUANTITY = (
    r"(?:area|perimeter|volume|circumference|lengths?|widths?|heights?|radius|diameter|inradius|circumradius|slope|"
    r"[xy]?-?intercepts?|values?|number|sum|product|difference|quotient|remainder|ratio|mean|median|mode|range|"
    r"variance|maximum|minimum|maxima|minima|divisor|multiple|probability|degree|coefficients?|roots?|zeros?|vertex|"
    r"focus|centroid|speed|distance|cost|age|digit|term|angle|period|amplitude|eigenvalues?|determinant|rank)\b"
)
_JOINS = (
    r"(?:sum|product|difference|ratio|quotient|mean|average|distance|angle|probability|range)s? (?:of|between|that)"
)
_WITHIN = (
    r"(?:sum|product|difference|ratio|quotient|mean|average|distance|angle|between|that|which|who|where|if|when|such|"
    r"for|with|whose|bounded|formed|from|satisfying|given|terms|and)"
)
_MEASURE = r"(?:周长|面积|体积|最大值|最小值|值|长|积|半径|概率|坐标|公差|公比|个数)"
_BOTH = re.compile(  # two quantities as the object of one verb; "the sum of the area and the perimeter" is one
    r"\bas well as the\b|\btogether with the\b|\b(?:two|three|four|several|following) (?:quantities|questions|things)\b"
    r"|\bboth parts\b"
    rf"|\b(?:find|compute|determine|calculate|give|state|what are|what is)\W+(?:both )?(?:the|its|their) (?!{_JOINS})"
    rf"(?:(?!of\b)\w+[- ]){{0,3}}{_QUANTITY}(?:(?!\b{_WITHIN}\b)[^.?;,])*,? "
    rf"and (?:also |then )?(?:(?:of )?(?:(?:the|its|their) )?(?:(?!of\b)\w+[- ]){{0,3}}{_QUANTITY}|"
    r"(?:whether|what|how)\b)"
    rf"|求[^。．？；]*?{_MEASURE}(?:[和与及、]|以及)[^。．，；？]*?{_MEASURE}(?![^。．；？]*(?:[之的][和积差比商]|距离|平均))",
    re.I,
)
_WRITING = re.compile(
    r"^\W*(?:(?:enter|express|separate|type|round|write|leave)\b"
    r"|(?:simplify|give|state|report|assume|list|answer)\b[^?]*\b(?:answers?|form|fraction|decimal|places?|hundredth|"
    r"tenth|nearest|in terms of|separated|first|choices?|percent|simplest|only|yes)\b"
    r"|(?:结果|答案|用)[^？]*(?:表示|作答|保留))",
    re.I,
)
_ASIDE = re.compile(r"^\W*(?:note|recall|here|for example|for instance)\b", re.I)
