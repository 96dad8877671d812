r"""Answers in plain form: one spelling for what means the same, without algebra (pure).

    mixed numbers     2 1/2, 2\frac{1}{2}, 2½    5/2          (neither 21/2 nor a product)
    characters        ５, −, ％, x²               5, -, %, x^{2}
    solutions         x=2 or x=1; \{2, 1\}       x=1, x=2; 1, 2  (sorted; semicolons part groups of them)
    units and nouns   5 m, 5 meters, 5米; 3 pairs  5\text{m}; 3\text{pair}

Rewards and measures that ask whether two answers are alike compare this form. Where it differs, equivalence.py asks
computer algebra as well.
"""

import re
import unicodedata

# What is written, in lower case and without marks around it, where there is nothing
NOTHING = {"", "none", "null", "nan", "n/a", "unknown", "tbd", "todo", "[object object]"}


def nothing(text: str) -> bool:
    """Whether a text says that there is nothing: a word for it, a spreadsheet's error, or marks alone."""
    return text.strip(_MARKS).lower() in NOTHING or bool(_BROKEN.fullmatch(text))


def declined(answer: str) -> bool:
    """Whether an answer is a sentence of somebody who gives none."""
    return bool(_DECLINED.match(answer))


def several(answer: str) -> bool:
    """Whether an answer doubts which of several it is, or boxes two. All solutions of an equation are one answer."""
    return answer.count("\\boxed") > 1 or bool(_HEDGED.search(answer))


def bare(answer: str) -> str:
    """An answer as it is written, without the dollars around it."""
    return answer.strip().strip("$").strip()


def plain(answer: str) -> str:
    """The plain form of an answer: without dollars, a full stop and spaces that mean nothing, words in lower case."""
    text = _unwrapped(_typed(answer))
    groups = [_split(group, _COMMA) for group in _split(text, _JOINT)]
    if not all(len(group) > 1 for group in groups):  # 1, 2 and 3: one list; x=1, y=2 and x=3, y=4: groups
        groups = [[part for group in groups for part in group]]
    return "; ".join(sorted(", ".join(sorted(map(_part, group))) for group in groups))


def parts(form: str) -> list[str]:
    """The solutions, or groups of them, that a plain form lists; itself where it is one."""
    groups = _split(form, _SEMICOLON)
    return groups if len(groups) > 1 else _split(form, _COMMA)


def measured(form: str) -> tuple[str, str]:
    """A plain form's value, and its unit or noun, '' without one."""
    found = _MEASURED.fullmatch(form)
    return (found["value"], found["unit"]) if found else (form, "")


def unmarked(form: str) -> str:
    """A plain form with its units as if they were letters: '5 m' and '5m' are written alike."""
    return re.sub(r"\\text\{([^{}]*)\}", r"\1", form)


def _typed(answer: str) -> str:
    """The answer in the characters, and with the spacing and thousands, that a keyboard gives."""
    text = re.sub("[¼-¾⅐-⅞]", r" \g<0>", answer)  # 2½ is no 21/2
    text = re.sub("[²³¹⁰ⁱ⁴-⁹⁺⁻ⁿ]+", r"^{\g<0>}", text)
    text = re.sub("[₀-₉]+", r"_{\g<0>}", text)
    text = unicodedata.normalize("NFKC", text).translate(_CHARACTERS)
    text = _SPACING.sub(" ", re.sub(r"\\!|\\[()\[\]]", "", text).replace("{,}", ","))
    text = re.sub(r"\s+", " ", text)  # what splits answers below takes the square of a run's length
    text = _THOUSANDS.sub(lambda found: re.sub(r"[, ]", "", found.group()), text)
    return _ROUGHLY.sub("", text).strip().rstrip(".").strip()


def _unwrapped(text: str) -> str:
    """What stands between the braces of a set that is written in them."""
    found = re.fullmatch(r"\$*\s*\\?\{(?P<inside>.*?)\\?\}\s*\$*", text, re.S)
    return found["inside"] if found and len(_split(found["inside"], _COMMA)) > 1 else text


def _split(text: str, separator: re.Pattern) -> list[str]:
    """A text's parts between separators that stand in no brackets; itself where brackets do not match."""
    depth, start, found = 0, 0, []
    for mark in separator.finditer(text):
        depth += (mark["bracket"] or " ") in "([{"
        depth -= (mark["bracket"] or " ") in ")]}"
        if depth < 0:
            return [text]
        if depth == 0 and not mark["bracket"]:
            found.append(text[start : mark.start()])
            start = mark.end()
    return [part.strip() for part in (*found, text[start:]) if part.strip()] or [text]


def _part(text: str) -> str:
    text = re.sub(r"\\(?:text|mathrm|textrm|mbox)\s*\{([^{}]*)\}", r" \1 ", text).strip().strip("$").rstrip(". ")
    text = ",".join(_in_radians(piece) if _TURNED.search(piece) else piece for piece in text.split(","))
    if turned_by_degrees(text):
        return _squeezed(text)
    if found := re.fullmatch(r"(?P<money>\\\$|[€£¥])\s*(?P<value>.*\d)", text):
        return _squeezed(found["value"]) + rf"\text{{{_MONEY[found['money']]}}}"
    found = _TAIL.fullmatch(text)
    if found and (unit := _unit(found["words"], bool(found["space"]), found["power"])):
        return _squeezed(found["value"]) + rf"\text{{{unit}}}"
    return _squeezed(text)


def turned_by_degrees(text: str) -> bool:
    """Whether degrees stand in an answer beside a sine or the like, which algebra would take for radians."""
    return any(_TURNED.search(piece) and _MARKED.search(piece) for piece in text.split(","))


def _in_radians(text: str) -> str:
    """An expression with a sine or the like, in which numbers of degrees are numbers of radians; other angles keep
    their mark."""
    return _DEGREES.sub(r"(\g<size>\\pi/180)", re.sub(rf"\s*(?:{_MARK})", "^{\\\\circ}", text))


def _unit(words: str, spaced: bool, power: str | None) -> str:
    """The name of the unit, or noun, that words after a number are; '' where they are something else.

    A letter that touches its number is a variable: 5m is a product, 5 m a length.
    """
    if not words.isascii() or not words[0].isalpha():
        return _ALIASES.get(words.strip(), "degree" if "circ" in words else words.strip("\\ "))
    several = words.split()
    if several[0].rstrip(".") in _POWERS and len(several) > 1:
        power, words = _POWERS[several[0].rstrip(".")], " ".join(several[1:])
    single = re.split(r"\s*/\s*|\s+per\s+", words)
    names = [_ALIASES.get(name) or _ALIASES.get(name.removesuffix("s"), "") for name in single]
    if all(names) and (spaced or len(words) > 1):
        return "/".join(names) + (f"^{power}" if power else "")
    noun = spaced and all(len(word) > 2 and word.islower() for word in several) and not _NUMBERS & set(several)
    return " ".join(several).removesuffix("s") if noun else ""


def _squeezed(text: str) -> str:
    """Mathematics without dollars and without the spaces that mean nothing; mixed numbers as fractions."""
    text = re.sub(r"\s+", " ", text.replace("$", "")).strip()
    text = _MIXED.sub(_improper, text)
    text = _FRACTION.sub(lambda found: "/".join(filter(None, found.groups())), text)
    text = re.sub(r"(\d (?=\d)|\\[a-zA-Z]+ (?=[a-zA-Z]))| ", lambda found: found[1] or "", text)
    return text.lower() if text.isalpha() else re.sub(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}", lambda m: m.group().lower(), text)


def _improper(found: re.Match) -> str:
    whole, above, below = (int(number) for number in found.groups() if number)
    return f"{whole * below + above}/{below}" if above < below else found.group()


_MARKS = " .…?!%-–—_"
_BROKEN = re.compile(r"#(?:REF|DIV/0|VALUE|NAME|NUM|NULL|N/A)[!?]?")
_DECLINED = re.compile(
    r"(?:i|we)(?:['’]m| am)?,? (?:can(?:not|['’]t| not)|(?:do not|don['’]t) know|unable|not able|sorry)\b|sorry\b|"
    r"as an ai\b|(?:(?:it|this|that|the answer) )?(?:all )?(?:depends|varies)\b|not enough (?:information|data)\b|"
    r"(?:it |this )?(?:cannot|can't|can not) be (?:determined|known|answered|found)\b|"
    r"(?:there (?:are|is) )?(?:many|several|various|multiple|infinitely many|no unique) (?:possible )?answers?\b|"
    r"抱歉|对不起|我(?:无法|不能|不知道)|视(?:具体)?情况|看情况|(?:答案)?不(?:唯一|确定)|无法确定",
    re.I,
)
_HEDGED = re.compile(
    r"\b(?:maybe|perhaps|possibly|probably|alternatively|either|depending|depends|some say|not sure|i think|could be|"
    r"might be|(?:possible|first|second|another|other|both) answers?)\b|[(（]\s*(?:or|或)\b|, but\b"
    r"|\S\s+/\s+\S+\s+/\s+\S|或者|也可能|大概|也许|都可以",
    re.I,
)
_CHARACTERS = str.maketrans({"−": "-", "⁄": "/", "、": ",", "。": "."})
_SPACING = re.compile(r"\\[,;: ]|~|\\(?:q?quad|displaystyle|left|right)(?![a-zA-Z])")
_THOUSANDS = re.compile(r"(?<![\d.,(\[{])\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?![\d,])")
_TURNED = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])(?!\s*\^\s*\{?\s*-)")
_DEGREE = r"°|\^ ?\{ ?\\circ ?\}|\^ ?\\circ(?![a-z])"
_MARK = rf"{_DEGREE}|\\degree(?![a-z])|(?<![a-z])degrees?(?![a-z])"
_MARKED = re.compile(_MARK)
_DEGREES = re.compile(r"(?<![\d._}])(?<!frac)(?P<size>\d+(?:\.\d+)?)\^\{\\circ\}")
_BRACKET = r"(?P<bracket>[()\[\]{}])"
_ROUGHLY = re.compile(r"(?<=\S)\s*(?:,|,? or) (?:approximately|\\approx|≈).*", re.S)  # what an answer says twice
_COMMA, _SEMICOLON = re.compile(rf"{_BRACKET}|,"), re.compile(rf"{_BRACKET}|;")
_JOINT = re.compile(
    rf"\\(?:text|mathrm|mbox)\s*\{{\s*(?:or|and)\s*\}}|{_BRACKET}|;|,?\s*(?<![a-zA-Z\\])(?:or|and)(?![a-zA-Z])|[或和与及]"
)
_DIGITS = r"(?:\{ ?(\d{1,9}) ?\}|(\d))"
_OVER = rf"\\[dtc]?frac ?{_DIGITS} ?{_DIGITS}"
_MIXED = re.compile(rf"(?<![\d.^_/{{}}])(\d{{1,9}}) ?(?: (\d{{1,9}}) ?/ ?(\d{{1,9}})(?![\d.])|{_OVER})")
_FRACTION = re.compile(rf"(?<![^=+(,-]){_OVER}(?![^=+),-])")
_MEASURED = re.compile(r"(?P<value>.*)\\text\{(?P<unit>[^{}]*)\}", re.S)
_TAIL = re.compile(
    rf"(?P<value>.*(?:[\d)}}\]$]|\\pi))(?P<space>\s*)(?P<words>\\?%|{_DEGREE}|[一-鿿]+|"
    r"[a-zA-Z]+\.?(?:(?:\s+|\s*/\s*)[a-zA-Z]+)*)(?:\s*\^ ?\{?(?P<power>[23])\}?)?",
    re.S,
)
_NUMBERS = {"hundred", "thousand", "million", "billion", "dozen", "more", "less", "when", "otherwise"}
_POWERS = {"square": "2", "sq": "2", "cubic": "3", "cu": "3"}
_MONEY = {"\\$": "dollar", "€": "euro", "£": "pound", "¥": "yuan"}
_UNITS = {
    "m": "meter metre 米", "cm": "centimeter centimetre 厘米", "mm": "millimeter millimetre 毫米",
    "km": "kilometer kilometre 千米 公里", "ft": "foot feet", "inch": "inches", "yd": "yard", "mile": "mi",
    "g": "gram 克", "kg": "kilogram 千克 公斤", "mg": "milligram", "lb": "pound", "l": "liter litre L 升",
    "ml": "milliliter millilitre mL 毫升", "s": "second sec 秒", "min": "minute 分钟", "h": "hour hr 小时",
    "day": "天", "week": "周", "month": "月", "year": "yr 年", "degree": "deg ° 度", "radian": "rad",
    "%": "percent percentage pct \\%", "dollar": "USD 美元", "cent": "", "euro": "", "yuan": "元",
    "m^2": "平方米", "cm^2": "平方厘米", "m^3": "立方米", "cm^3": "立方厘米", "mile/h": "mph", "km/h": "kmh kph",
}  # fmt: skip
_ALIASES = {alias: name for name, aliases in _UNITS.items() for alias in (name, *aliases.split())}
