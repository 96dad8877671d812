"""LaTeX in a text: where its mathematics lies, and whether it would compile (pure)."""

import re
from functools import lru_cache

MATH = re.compile(
    r"\\begin\{(?P<name>[a-z]{1,12}\*?)\}.*?\\end\{(?P=name)\}|(?<!(?<!\\)\\)\$\$.*?\$\$"
    r"|(?<!(?<!\\)\\)\$(?:\\.|[^$\\])*\$|\\\[.*?\\\]|\\\(.*?\\\)",  # \$ is a price
    re.S,
)
FIGURE = re.compile(r"\[/?asy\]|\\begin\{(?:asy|tikzpicture|picture)\}|\\includegraphics\b")
_EMPTY = r"\\(?:underline|fbox|boxed)\{(?:\\[hv]space\*?\{[^{}]*\}|\\q?quad|\\[ ,;]|[~\s_])*\}|\\_(?:\\_)+"
BLANK = re.compile(  # to be filled in: ____, \underline{\qquad}, $\underline{\hspace{1cm}}$, ( )
    rf"_{{2,}}|\$(?:{_EMPTY})\$|{_EMPTY}|\\hspace\*?\{{[^{{}}]*\}}|(?<=\s)\([\s~]*\)|（[\s　~]*）"
)
DEPTH = 16  # of braces; real problems stay below 8


def prose(text: str, mark: str = " x ") -> str:
    """The text with each piece of mathematics replaced by a mark."""
    return MATH.sub(mark, text)


def bare(span: str) -> str:
    """A piece of mathematics without what delimits it."""
    return _DELIMITERS.sub("", span).strip()


def fault(text: str) -> str | None:
    """The first thing that keeps a text's LaTeX from compiling, or None. Never raises.

    Mathematics is parsed by latex2mathml: an unknown command, a fraction of one part or a double superscript is an
    error there as in TeX. Outside of mathematics a few text commands are known; markup of other kinds is refused. A
    blank to be filled in is text.
    """
    text = BLANK.sub(" ", text)
    if wrong := unbalanced(text) or _unknown(text):
        return wrong
    for found in MATH.finditer(text):
        if wrong := _expression(found.group()):
            return wrong
    commands = _COMMAND.findall(text)
    rest = len(re.findall(r"[A-Za-z]+|\d+", _COMMAND.sub(" ", text)))
    if len(set(commands)) > 15 or len(commands) > max(12, 3 * rest):  # 99.9 % of real problems stay below
        return "a heap of commands"
    return _markup(prose(text, " "))


def unbalanced(text: str) -> str | None:
    """What does not balance in a text's LaTeX (dollars, braces, environments, \\left and \\right), or None."""
    bare = text.replace("\\\\", "  ").replace("\\$", "  ").replace("\\{", "  ").replace("\\}", "  ")
    if bare.count("$$") % 2 or bare.replace("$$", "").count("$") % 2:
        return "a $ is not closed"
    depth = 0
    for char in bare:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return "a } was never opened"
        if depth > DEPTH:
            return f"braces are nested more than {DEPTH} deep"
    if depth:
        return "a { is not closed"
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        if bare.count(opening) != bare.count(closing):
            return f"{opening} and {closing} differ in number"
    if len(re.findall(r"\\left(?![a-zA-Z])", bare)) != len(re.findall(r"\\right(?![a-zA-Z])", bare)):
        return "\\left and \\right differ in number"
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{([^{}]*)\}", bare):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            return f"\\end{{{name}}} without its \\begin"
    return f"\\begin{{{opened[-1]}}} is not ended" if opened else None


@lru_cache(maxsize=8192)
def _expression(span: str) -> str | None:
    """What is wrong with one piece of mathematics, its delimiters included, or None."""
    inside = bare(span)
    if not inside:
        return "empty mathematics"
    if inside.startswith("\\begin{tab"):
        return None
    from latex2mathml.converter import convert_to_element  # its tables of symbols take long to import

    try:
        tree = convert_to_element(inside)
    except (Exception, RecursionError) as error:  # a library's own dozen kinds: all say that it is no LaTeX
        return f"{inside[:40]} does not parse ({type(error).__name__})"
    for node in tree.iter():
        text = node.text or ""
        if text.startswith("\\") and text[1:].isalpha() and text not in _SPACING:
            return f"{text} is no command"
        if len(node) != _PARTS.get(node.tag, len(node)):
            return f"{inside[:40]} lacks a part"
    return None


def _unknown(text: str) -> str | None:
    found = _FORBIDDEN.search(text)
    return f"{found.group()} has no place in a problem" if found else None


def _markup(text: str) -> str | None:
    """Markup outside of mathematics: other commands than text's own, HTML, Markdown, BBCode, wikitext."""
    for command in _COMMAND.findall(text):
        if command not in _TEXT_COMMANDS:
            return f"{command} stands outside of mathematics"
    found = _MARKUP.search(text)
    return f"{found.group().strip()[:20]} is markup" if found else None


_PARTS = {"mfrac": 2, "mroot": 2}
_SPACING = {"\\vspace", "\\hspace", "\\indent", "\\noindent", "\\allowbreak", "\\hline", "\\cline"}
_TEXT_COMMANDS = {
    *("\\text", "\\textbf", "\\textit", "\\textrm", "\\emph", "\\underline", "\\bf", "\\it", "\\rm", "\\em"),
    *("\\ldots", "\\dots", "\\quad", "\\qquad", "\\noindent", "\\par", "\\newline", "\\item"),
}
_DELIMITERS = re.compile(r"^\$\$|\$\$$|^\$|\$$|^\\[\[(]|\\[\])]$")
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_FORBIDDEN = re.compile(
    r"\\(?:x|e|g)?def\b|\\(?:re)?newcommand|\\newenvironment|\\providecommand|\\let\b|\\input|\\include|\\openin|\\openout"
    r"|\\read\b|\\write|\\immediate|\\catcode|\\csname|\\expandafter|\\loop\b|\\repeat\b|\\message|\\usepackage"
    r"|\\documentclass|\\begin\{document\}|\\special|\\directlua|\\href|\\url|\\cite|\\label|\\(?:eq)?ref\b|\\tag\b"
    r"|\\h?v?phantom|\\mathchardef|\\futurelet|\\newwrite|\\jobname|\\(?:sub)*section|\\color|\\textcolor|\\cancel"
)
_MARKUP = re.compile(
    r"</?[a-zA-Z!][^>]*>|&[a-z]{2,6};|\[/?(?:b|i|u|tex|img|url|hide|quote|code|asy)\b[^\]]*\]|\{\{|\[\[|'{3,}|(?:^|\s)#{1,6}\s"
    r"|\*\*|__|~~|(?<!`)`[^`'\n]+`(?!`)|\|.*\||[\^_](?=[\w{])|https?://",
    re.M,
)
