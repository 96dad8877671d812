"""Topic and knowledge points of a problem whose source names none, by the terms that stand in it.

A problem's topic is the one whose terms it uses most; the terms found are its knowledge points.
"""

import re

TERMS: dict[str, tuple[str, ...]] = {
    "Geometry": (
        "triangle", "circle", "angle", "polygon", "quadrilateral", "tangent line", "circumcircle", "incircle", "area",
        "perimeter", "sphere", "tetrahedron", "midpoint", "perpendicular", "parallel", "chord", "radius", "hexagon",
        "rectangle", "circumradius", "inradius",
        "三角形", "圆", "面积",
    ),
    "Number Theory": (
        "divisible", "divisor", "prime", "remainder", "modulo", "greatest common divisor", "least common multiple",
        "digit", "integer solution", "perfect square", "congruence", "coprime", "base representation",
        "整除", "质数", "余数",
    ),
    "Combinatorics": (
        "how many ways", "arrangement", "permutation", "combination", "subset", "choose", "coloring", "tournament",
        "pigeonhole", "graph", "string of length", "distinct ways", "排列", "组合", "多少种",
    ),
    "Probability": ("probability", "random", "randomly", "expected value", "dice", "coin", "概率", "期望"),
    "Calculus": (
        "derivative", "integral", "differentiable", "limit", "continuous", "\\int", "differential equation",
        "积分", "极限",
    ),
    "Sequence": (
        "sequence", "series", "recurrence", "arithmetic progression", "geometric progression", "fibonacci", "数列",
    ),
    "Inequality": (
        "inequality", "maximum value", "minimum value", "largest value", "smallest value", "at most",
        "不等式", "最大值",
    ),
    "Algebra": (
        "polynomial", "equation", "root", "function", "logarithm", "matrix", "complex number", "system of equations",
        "coefficient", "quadratic", "factor", "real numbers", "方程", "函数", "多项式",
    ),
}  # fmt: skip


def _pattern(terms: tuple[str, ...]) -> re.Pattern:
    """Any of the terms as a word of its own, plural or not; Chinese has no marks between words."""
    latin, chinese = ("|".join(re.escape(t) for t in terms if t.isascii() is wanted) for wanted in (True, False))
    alone = rf"(?<![A-Za-z])(?:{latin})(?=(?:e?s)?(?![A-Za-z]))"
    return re.compile(f"{alone}|{chinese}" if chinese else alone, re.I)


_PATTERNS = {topic: _pattern(terms) for topic, terms in TERMS.items()}


def knowledge_points(text: str) -> tuple[str, ...]:
    """The terms of TERMS that stand in a text, each once, in the order of their first appearance."""
    found = [(m.start(), m[0].lower()) for pattern in _PATTERNS.values() for m in pattern.finditer(text)]
    return tuple(dict.fromkeys(term for _, term in sorted(found)))


def topic(text: str) -> str:
    """The topic with most terms in a text; Algebra where none has any."""
    counts = {name: len(pattern.findall(text)) for name, pattern in _PATTERNS.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else "Algebra"
