"""Text with LaTeX in it as HTML that cannot do harm: mathematics as MathML, everything else escaped.

The text comes from a model, which may have written anything. latex2mathml is not made for that: it turns \\href into
links and \\style into styles, and its `convert` writes what stands in \\text{...} unescaped. So only the tree that it
builds is used, checked against a list of elements and attributes, and written here.
"""

import html
import re
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape

from qgen.mathematics.latex import MATH
from qgen.text.visible import clean

MAX_FORMULA = 1000  # characters of LaTeX; the longest of MATH's 25,142 formulas has 548
MAX_MARKUP = 8000  # characters of MathML for one text
MAX_DEPTH = 40  # of nested elements; real formulas stay below 12
MAX_EM = 5.0  # of a space or a size: what is wider leaves its place on the page

ELEMENTS = {
    *("math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup"),
    *("munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose"),
}
ATTRIBUTES = {
    *("stretchy", "fence", "form", "accent", "movablelimits", "largeop", "separator", "displaystyle", "scriptlevel"),
    *("mathvariant", "columnalign", "linethickness", "minsize", "maxsize", "width", "height", "depth", "lspace"),
    *("rspace", "voffset", "notation", "columnspacing", "rowspacing", "columnlines", "rowlines", "linebreak"),
}
PARTS = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3}
_DROPPED = {"xmlns", "display", "accentunder"}  # `display` is set here
_HARMLESS = re.compile(r"[a-z0-9 .%+-]*")
_LENGTH = re.compile(r"[+-]?(\d*\.?\d+)(em|ex|mu|mm|cm|pt|px|in|pc)")
_IN_EM = {"em": 1, "ex": 0.5, "mu": 1 / 18, "mm": 0.24, "cm": 2.4, "pt": 0.083, "px": 0.0625, "in": 6, "pc": 1}
_VARIABLE = re.compile("[a-zA-Z\u03b1-\u03c9\u03d5]")  # set in italics


def render(text: str) -> Markup:
    """Text as HTML. Mathematics that cannot be converted stands as its source."""
    parts, at, size = [], 0, 0
    text = text.replace("\\$", _DOLLAR)  # or the two dollars of "\\$5 or \\$6" would enclose a formula
    for found in MATH.finditer(text):
        parts.append(_prose(text[at : found.start()]))
        written = formula(found.group()) if size < MAX_MARKUP else None
        if written is None:
            written = Markup('<code class="tex">{}</code>').format(_source(found.group()))
        else:
            size += len(written)
        parts.append(written)
        at = found.end()
    return Markup("").join([*parts, _prose(text[at:])])


@lru_cache(maxsize=4096)
def formula(span: str) -> Markup | None:
    """One piece of mathematics, its delimiters included, as MathML; None where it cannot be had."""
    inside = _DELIMITERS.sub("", span).strip()
    if not inside or len(inside) > MAX_FORMULA:
        return None
    try:
        written = _write(convert_to_element(clean(inside.replace(_DOLLAR, "\\$"))))
    # latex2mathml has a dozen exceptions of its own, and runs out of stack or of tokens on crafted input: whatever
    # it is, this one formula is shown as source, and the page goes on
    except (Exception, RecursionError):
        return None
    block = span.startswith(("$$", "\\[", "\\begin"))
    return Markup(written.replace("<math>", '<math display="block">' if block else "<math>", 1))


def _write(node: Element, depth: int = 0) -> str:
    """A node of the tree as markup. Raises ValueError where it holds anything but harmless mathematics."""
    if node.tag not in ELEMENTS or depth > MAX_DEPTH or len(node) != PARTS.get(node.tag, len(node)):
        raise ValueError(node.tag)
    attributes = "".join(f' {k}="{v}"' for k, v in node.attrib.items() if _allowed(node.tag, k, v))
    text = clean(html.unescape(node.text or ""))  # latex2mathml writes symbols as &#x...;
    if text.startswith("\\") and text[1:].isalpha():
        raise ValueError(f"{text} is no command that latex2mathml knows")
    children = []
    for before, child in zip([None, *node], node, strict=False):
        if before is not None and _is(before, _OPENS) and _is(child, "+-−±"):
            child.set("form", "prefix")  # a sign, not a sum: no space before what it stands at
        children.append(_write(child, depth + 1))
    if node.tag == "mrow" and not attributes and len(children) == 1 and not text:
        return children[0]  # a group of one is that one; a third of all nodes
    if node.tag == "mi" and not _VARIABLE.fullmatch(text):
        attributes += ' class="f"'  # a name or a sign, upright
    return f"<{node.tag}{attributes}>{escape(text)}{''.join(children)}</{node.tag}>"


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute is written. Raises ValueError where it could do harm."""
    if name in _DROPPED:
        return False
    length = _LENGTH.fullmatch(value)
    if name not in ATTRIBUTES or not _HARMLESS.fullmatch(value):
        raise ValueError(f"{tag} {name}={value}")
    if length and float(length[1]) * _IN_EM[length[2]] > MAX_EM:
        raise ValueError(f"{name}={value} is too large")
    return True


def _is(node: Element, signs: str) -> bool:
    text = html.unescape(node.text or "")
    return node.tag == "mo" and len(text) == 1 and text in signs


def _prose(text: str) -> Markup:
    """Text outside of mathematics: escaped, an escaped dollar as a dollar, line ends kept by the stylesheet."""
    return escape(clean(text.replace(_DOLLAR, "$")))


def _source(span: str) -> str:
    return clean(span.replace(_DOLLAR, "\\$"))


_OPENS = "=<>≤≥≠≡≈,;:([{→⇒∈"  # after these + and - are signs
_DOLLAR = "\ue000"  # stands for \\$ while mathematics is looked for
_DELIMITERS = re.compile(r"^\$\$|\$\$$|^\$|\$$|^\\[\[(]|\\[\])]$")
