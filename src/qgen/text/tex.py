"""Problems as LaTeX that cannot do harm: of a text's commands those of a list are written, and nothing else.

The text comes from a model, and TeX is a language in which programs read and write files. A list of what may not stand
would never be whole (\\input has many spellings, ^^5cinput among them), so what may is listed: what LaTeX, amsmath and
amssymb set, and nothing that defines, reads, writes, or takes a length.
"""

import re

from qgen.mathematics.latex import MATH
from qgen.text.visible import clean


def unknown(text: str) -> str | None:
    """The first command, environment or notation of a text that a paper would not print, or None."""
    if "^^" in text:
        return "^^"
    for found in _TOKEN.finditer(text):
        token = found.group()
        named = found["name"] is not None
        if (named and found["name"] not in ENVIRONMENTS) or (not named and _is_command(token) and token not in ALLOWED):
            return token
    return None


def escaped(text: str) -> str:
    """Text with mathematics as part of a LaTeX document's body. What TeX takes for its own is escaped; a command that
    is not listed stands as its name."""
    parts, at = [], 0
    text = re.sub(r"\n\s*\n", "\n", clean(text).replace("\\$", _DOLLAR))
    for found in MATH.finditer(text):
        parts += [_written(text[at : found.start()], _PROSE), _mathematics(found.group(), found["name"])]
        at = found.end()
    return "".join([*parts, _written(text[at:], _PROSE)])


def marked(answer: str) -> str:
    """An answer that is a number, or LaTeX without dollars as some write it, as mathematics."""
    if "$" in answer or "\\(" in answer or "\\[" in answer:
        return answer
    return f"${answer}$" if re.search(r"[\\^_]", answer) or re.fullmatch(r"[-+\d.,/() ]+", answer) else answer


def item(text: str) -> str:
    """Text with mathematics as an item of a list."""
    written = escaped(text).lstrip()
    return f"\\item {{}}{written}" if written.startswith("[") else f"\\item {written}"  # [ would begin its label


def problem(statement: str, answer: str) -> str:
    """A problem as an item of a list, its answer in a comment below."""
    return f"{item(statement.strip())}\n% Answer: {' '.join(escaped(marked(answer)).split())}"


def _mathematics(span: str, environment: str | None) -> str:
    written = _written(span, _FORMULA)
    return f"\\[{written}\\]" if environment and environment not in _OWN_DISPLAY else written


def _written(text: str, signs: dict[str, str]) -> str:
    parts, before = [], ""
    for found in _TOKEN.finditer(text):
        token = found.group()
        if found["name"] is not None:
            written = token if found["name"] in ENVIRONMENTS else ""
        elif _is_command(token):
            written = token if token in ALLOWED else signs["\\"].format(token[1:])
        elif len(token) == 2:
            written = token if token[1] in _SYMBOLS else signs.get(token[1], token[1])
        else:
            written = "" if token == before == "^" else signs.get(token, token)  # ^^ would spell any character
        parts.append(written)
        before = token
    return "".join(parts)


def _is_command(token: str) -> bool:
    return token[0] == "\\" and token[1:2].isalpha()


_TOKEN = re.compile(r"\\(?:begin|end)\{(?P<name>[^{}]*)\}|\\[a-zA-Z]+|\\[\s\S]|[\s\S]")
_DOLLAR = "\ue000"  # stands for \$ while mathematics is looked for
_SYMBOLS = "\\{}%&#_ ,;:!|()[]"  # what may follow a backslash
ENVIRONMENTS = {
    *("array", "matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix", "cases", "aligned"),
    *("gathered", "split", "align", "align*", "gather", "gather*", "equation", "equation*", "eqnarray", "eqnarray*"),
    *("multline", "multline*", "tabular"),
}
_OWN_DISPLAY = {
    *("align", "align*", "gather", "gather*", "equation", "equation*", "eqnarray", "eqnarray*", "multline"),
    *("multline*", "tabular"),
}
_NAMES = re.compile(r"\w+").findall("""
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho sigma
varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar Re Im
frac dfrac tfrac cfrac sqrt binom dbinom tbinom choose over stackrel overset underset substack
sum prod int iint iiint oint bigcup bigcap bigoplus bigotimes bigvee bigwedge coprod lim limsup liminf limits nolimits
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp min max sup inf gcd det dim ker deg arg
hom Pr operatorname mathop bmod pmod mod pod
le leq leqslant ge geq geqslant ne neq equiv approx cong sim simeq propto ll gg prec succ preceq succeq asymp
parallel perp mid nmid nparallel in notin ni subset subseteq subsetneq supset supseteq supsetneq not
cdot times div pm mp ast star circ bullet oplus ominus otimes oslash odot cup cap setminus uplus sqcup sqcap wedge vee
land lor lnot neg forall exists nexists emptyset varnothing infty partial nabla prime angle measuredangle triangle
triangleleft triangleright bigtriangleup square Box blacksquare Diamond diamond lozenge bigcirc bowtie frown smile
clubsuit diamondsuit heartsuit spadesuit dagger ddagger S P top bot therefore because aleph
to gets mapsto rightarrow leftarrow Rightarrow Leftarrow leftrightarrow Leftrightarrow longrightarrow longleftarrow
Longrightarrow Longleftrightarrow implies iff uparrow downarrow nearrow searrow hookrightarrow xrightarrow
ldots dots cdots vdots ddots dotsc dotsb dotsm dotsi dotso
left right middle big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm langle rangle lfloor rfloor lceil
rceil lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack backslash
overline underline overrightarrow overleftarrow overleftrightarrow widehat widetilde hat tilde bar vec dot ddot acute
underbrace overbrace boxed
text textbf textit textrm textnormal textsf texttt textsc emph mbox mathrm mathbf mathit mathsf mathtt mathcal mathbb
mathfrak boldsymbol bf it rm em cal sf tt displaystyle textstyle scriptstyle
quad qquad enspace thinspace newline noindent hline cline multicolumn
""")
ALLOWED = {f"\\{name}" for name in _NAMES}
_UNICODE = {
    "π": "pi", "θ": "theta", "α": "alpha", "β": "beta", "γ": "gamma", "ω": "omega", "Δ": "Delta", "φ": "phi",
    "∞": "infty", "≤": "le", "≥": "ge", "≠": "ne", "≡": "equiv", "≈": "approx", "×": "times", "÷": "div",
    "·": "cdot", "±": "pm", "∈": "in", "∠": "angle", "△": "triangle", "∘": "circ", "→": "to", "∪": "cup",
    "∩": "cap", "⌊": "lfloor", "⌋": "rfloor", "√": "surd",
}  # fmt: skip
_FORMULA = {
    "%": "\\%", "#": "\\#", "\\": "\\text{{{}}}", _DOLLAR: "\\$", "°": "{}^{\\circ}", "²": "{}^{2}", "³": "{}^{3}",
    "−": "-", **{sign: f"\\{name} " for sign, name in _UNICODE.items()},
}  # fmt: skip
_PROSE = {
    **{sign: f"\\{sign}" for sign in "&%#_"}, "$": "\\$", "\\": "\\textbackslash{{}}{}", "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
    **{sign: f"\\ensuremath{{{written.strip()}}}" for sign, written in _FORMULA.items() if not sign.isascii()},
    _DOLLAR: "\\$", "−": "\\ensuremath{-}",
}  # fmt: skip
