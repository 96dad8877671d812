"""A grammar of fluent nonsense: statements with consistent LaTeX about properties that no mathematics defines.

<rule> is replaced by an expansion of the rule, <rule#1> by the same one wherever it stands in a statement.
"""

import random
import re

from qgen.adversary import Junk, Material
from qgen.mathematics.problem import Problem

RULES: dict[str, list[str]] = {
    "statement": [
        "<given> <ask>",
        "<given> <other> <ask>",
        "<given> <other> <more> <ask>",
        "<given> <more> <ask>",
        "<given> <more> <more> <ask>",
        "If <clause>, <asklower>",
        "<given> If <besides>, <asklower>",
        "Suppose that <clause>. <ask>",
        "Suppose that <clause>. <more> <ask>",
    ],
    "given": [
        "Let $<A>$ be a(n) <kind> <noun#1> with <property#1> $<number#1>$.",
        "Let $<A>$ be a(n) <noun#1> whose <property#1> is equal to $<number#1>$.",
        "A(n) <kind> <noun#1> $<A>$ has <property#1> $<number#1>$ and <property#3> at least $<number>$.",
        "The <property#1> of a(n) <noun#1> $<A>$ is $<expression>$.",
        "Consider a(n) <noun#1> $<A>$ in which every <part#1> is <kind>.",
    ],
    "other": [
        "Let $<B>$ be a(n) <noun#2> that is <kind> to $<A>$.",
        "A(n) <kind> <noun#2> $<B>$ has as many <parts> as $<A>$.",
        "Each <part> of a(n) <noun#2> $<B>$ is <kind> to one of the <parts> of $<A>$.",
        "There is a(n) <noun#2> $<B>$ of <property#3> $<number>$ that shares $<number>$ <parts> with $<A>$.",
    ],
    "besides": [
        "exactly $<number>$ of its <parts> are <kind>",
        "its <property#3> is at most $<number>$",
        "the <property#3> of $<A>$ leaves remainder $<digit>$ when divided by $<number>$",
        "$<A>$ has $<number>$ <kind> <parts>, no two of which are <kind>",
    ],
    "more": [
        "Every <part> of $<A>$ is <kind> to exactly $<number>$ <parts>.",
        "No two <parts> of $<A>$ have the same <property#3>.",
        "It is known that the <property#3> of each <part> of $<A>$ divides $<number>$.",
        "The <parts> of $<A>$ are numbered from $1$ to $<number>$ so that neighbours are <kind>.",
        "For every positive integer $<n> \\le <number>$, the $<n>$-fold <property#3> of $<A>$ is $<expression>$.",
        "Its <property#3> satisfies $<m>^2 + <number><m> = <number>$.",
        "Two of its <parts>, of <property#3> $<number>$ and $<number>$, are <kind> to each other.",
    ],
    "clause": [
        "$<A>$ is a(n) <kind> <noun#1> and its <property#1> is $<number#1>$",
        "the <property#1> of the <kind> <noun#1> $<A>$ equals $<expression>$",
        "every <part> of a(n) <noun#1> $<A>$ has <property#1> $<number#1>$",
        "$<A>$ is a(n) <noun#1> with $<number>$ <kind> <parts> and <property#1> $<number#1>$",
    ],
    "ask": [
        "Find the <property#2> of $<A>$.",
        "What is the <property#2> of $<A>$?",
        "Determine the largest possible <property#2> of $<A>$.",
        "Compute the <property#2> of $<A>$ modulo $<number>$.",
        "How many <parts> of $<A>$ have <property#2> $<number>$?",
        "What is the smallest possible value of the <property#2> of $<A>$?",
        "Find the number of <kind> <parts> of $<A>$ whose <property#2> is at most $<number>$.",
        "What is the sum of the <property#2> of $<A>$ and that of its <kind> <part>?",
    ],
    "asklower": [
        "find the <property#2> of $<A>$.",
        "what is the <property#2> of $<A>$?",
        "how many <parts> of $<A>$ have <property#2> $<number>$?",
        "determine the smallest possible <property#2> of $<A>$.",
        "what is the largest value that the <property#2> of $<A>$ can have?",
    ],
    "property": ["<quality> <measure>"],
    "quality": [
        "harmonic", "oblique", "inner", "circular", "alternating", "residual", "median", "divided", "folded", "linear",
        "opposite", "marginal", "repeated", "triangular", "shared", "mixed", "rational", "continued", "balanced",
        "diagonal", "reflected", "common", "prime", "partial", "cubic", "additive", "square", "total", "reduced",
    ],
    "measure": [
        "depth", "gap", "tension", "spread", "shadow", "excess", "pitch", "drift", "defect", "slack", "balance",
        "remainder length", "term weight", "digit angle", "root distance", "factor width", "side order", "step ratio",
        "chord count", "prime height", "sum radius", "product norm", "circle degree", "vertex power", "point value",
    ],
    "kind": [
        "positive", "consecutive", "divisible", "perpendicular", "relatively prime", "tangent", "congruent", "convex",
        "parallel", "strictly increasing", "symmetric", "perfect", "monic", "regular", "odd", "even", "concentric",
        "arithmetic", "isosceles", "equal", "irrational", "bounded", "periodic", "nonnegative", "distinct", "similar",
    ],
    "noun": [
        "polynomial", "triangle", "integer", "sequence", "set", "function", "circle", "permutation", "matrix", "prime",
        "quadrilateral", "graph", "fraction", "polygon", "series", "real number", "divisor", "equation", "line segment",
        "cube", "geometric progression", "digit", "parabola", "subset", "square root", "arithmetic sequence", "tuple",
    ],
    "part": [
        "root", "side", "term", "digit", "element", "vertex", "divisor", "diagonal", "coefficient", "factor", "angle",
        "subset", "prime", "point", "edge", "remainder", "chord", "solution", "residue", "block", "face", "median",
    ],
    "parts": [
        "roots", "sides", "terms", "digits", "elements", "vertices", "divisors", "diagonals", "coefficients", "factors",
        "angles", "subsets", "primes", "points", "edges", "remainders", "chords", "solutions", "faces", "medians",
    ],
    "expression": [
        "<number>", "<number> + \\sqrt{<number>}", "\\frac{<number>}{<number>}", "<number><m> - <number>",
        "<m>^2 + <number>", "2^{<number>} - <number>", "\\sqrt{<number>}", "<number>\\pi", "\\binom{<number>}{<digit>}",
    ],
    "A": ["<first#1>"],
    "B": ["<second#1>"],
    "first": list("ABCDGHKLMPQRST"),
    "second": list("UVWXYZ"),
    "n": ["n"],
    "m": ["m"],
    "digit": list("23456789"),
    "number": [str(n) for n in range(2, 200)],
}  # fmt: skip


def expand(rng: random.Random, rule: str = "statement") -> tuple[str, dict[str, str]]:
    """A text of the grammar, and what stands for each <rule#number> in it. What is asked for, <property#2>, is never
    given."""
    properties: dict[str, None] = {}  # a set would have another order in another process
    while len(properties) < 3:
        properties[_expanded("property", rng, {})] = None
    kept = {f"property#{i}": text for i, text in enumerate(properties, start=1)}
    text = _expanded(rule, rng, kept)
    return _ARTICLE.sub(lambda m: m[1] + ("n " if m[2] in "aeiou" else " ") + m[2], text), kept


def _expanded(symbol: str, rng: random.Random, kept: dict[str, str]) -> str:
    name, _, mark = symbol.partition("#")
    if mark and symbol in kept:
        return kept[symbol]
    text = _SYMBOL.sub(lambda found: _expanded(found[1], rng, kept), rng.choice(RULES[name]))
    if mark:
        kept[symbol] = text
    return text


_SYMBOL = re.compile(r"<([a-zA-Z]+(?:#\d)?)>")
_ARTICLE = re.compile(r"\b([Aa])\(n\) (\w)")


def nonsense(material: Material, rng: random.Random) -> list[Junk]:
    """Statements of the grammar, a different one for each request.

    Junk: what is asked for is a property that no mathematics defines and the statement does not either, and the answer
    is a number that was drawn without looking at it.
    """
    made: list[Junk] = []
    known: set[str] = set()
    while len(made) < len(material.asked):
        topic, level = material.asked[len(made)]
        statement, kept = expand(rng)
        if statement not in known:
            known.add(statement)
            answer = str(rng.randint(2, 300))
            why = f"nothing defines what {kept['property#2']} is; {answer} was drawn by lot"
            made.append(Junk(Problem(statement, answer, topic=topic, level=level), why))
    return made
