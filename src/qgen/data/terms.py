r"""The terms of school and competition mathematics by which problems are known, by topic.

A term is written in several ways, the first of which is its name: "logarithm|\log|\ln|对数". They are found as words
and commands of LaTeX, in the singular or the plural (topics.py).
"""

TERMS: dict[str, tuple[str, ...]] = {
    "Geometry": (
        r"triangle|\triangle|三角形", "equilateral triangle|等边三角形", "isosceles triangle|等腰三角形",
        "right triangle|直角三角形", "similar triangles|相似三角形", "circle|圆", "semicircle|半圆", r"angle|\angle|角",
        "inscribed angle|圆周角", "exterior angle|外角", "interior angle|内角", "polygon|多边形", "regular polygon|正多边形",
        "pentagon|五边形", "hexagon|六边形", "octagon|八边形", "quadrilateral|四边形", "cyclic quadrilateral",
        "parallelogram|平行四边形", "rhombus|菱形", "trapezoid|trapezium|梯形", "rectangle|长方形|矩形", "square|正方形",
        "kite", "tangent line|tangent to|切线", "circumcircle|circumscribed|外接圆", "incircle|inscribed circle|内切圆",
        "circumradius", "inradius", "circumcenter|外心", "incenter|内心", "centroid|重心", "orthocenter|垂心",
        "median of a triangle|medians", "altitude|高线", "angle bisector|角平分线", "perpendicular bisector", "area|面积",
        "shaded region|shaded area|阴影", "perimeter|周长", "circumference", "arc", "sector|扇形", "chord|弦", "radius|半径",
        "diameter|直径", "hypotenuse|斜边", "pythagorean theorem|pythagorean|勾股", "midpoint|中点", "diagonal|对角线",
        r"perpendicular|\perp|垂直", "parallel|平行", "reflection|reflected", "rotation|rotated", "translation",
        "sphere|球", "cone|圆锥", "cylinder|圆柱", "cube|正方体|立方体", "prism|棱柱", "pyramid|棱锥", "tetrahedron|四面体",
        "volume|体积", "surface area|表面积", "cross section",
    ),
    "Number Theory": (
        "divisible|divisibility|整除", "divisor|约数|因数", "number of divisors", "factor tree", "prime|质数|素数",
        "prime factorization|质因数", r"remainder|余数", r"modular arithmetic|modulo|\pmod|\bmod|congruent to|congruence|同余",
        r"greatest common divisor|greatest common factor|gcd|\gcd|最大公约数|最大公因数",
        r"least common multiple|lcm|最小公倍数", "digit|数字", "sum of the digits|digit sum", "units digit|ones digit|个位",
        "last two digits", "multiple|倍数", "perfect square|完全平方数", "perfect cube|立方数", "coprime|relatively prime|互质",
        "consecutive integers|consecutive", "base representation|in base|number base|进制", "integer solution|整数解",
        "diophantine equation|不定方程", "palindrome|回文", "repeating decimal|循环小数", "odd number|odd integer|奇数", "even number|even integer|偶数",
        "multiplicative inverse|modular inverse", "chinese remainder theorem|中国剩余定理",
    ),
    "Combinatorics": (
        "how many ways|多少种", "arrangement|arrange|排列", "permutation", r"combination|\binom|\dbinom|组合", "subset|子集",
        "committee", "choose|选", "circular table|round table|圆桌", "coloring|colored|染色", "tournament", "pigeonhole|抽屉",
        "graph theory", "string of length", "distinct ways", "lattice path|grid path", "venn diagram|survey",
        "inclusion-exclusion|容斥", "binomial theorem|binomial expansion|二项式", "pascal's triangle|杨辉三角",
        "distinguishable|indistinguishable", "stars and bars", "license plate", "handshake",
    ),
    "Probability": (
        "probability|概率", "random|randomly|随机", "conditional probability", "independent events", "expected value|期望",
        "dice|die|骰子", "coin|硬币", "deck of cards|cards", "marbles|balls in", "without replacement", "geometric probability",
    ),
    "Calculus": (
        "derivative|导数", r"integral|\int|积分", "differentiable", r"limit|\lim|极限", "continuous", "differential equation",
    ),
    "Sequence": (
        "sequence|数列", "arithmetic sequence|arithmetic progression|arithmetic series|等差数列",
        "geometric sequence|geometric progression|geometric series|等比数列", "series|级数", "infinite series|infinite sum",
        "telescoping sum|telescop", "recurrence|recursively|递推", "fibonacci", r"common difference|公差", "common ratio|公比",
    ),
    "Inequality": (
        "inequality|不等式", "maximum value|largest value|最大值", "minimum value|smallest value|最小值", "at most",
        "arithmetic mean-geometric mean|am-gm", "cauchy-schwarz",
    ),
    "Algebra": (
        "polynomial|多项式", "equation|方程", "linear equation|一元一次方程", "system of equations|方程组",
        "quadratic|quadratic equation|一元二次方程", "discriminant|判别式", "root|根", "vieta's formulas|sum of the roots|韦达",
        "factor|factoring|因式分解", "coefficient|系数", "degree of a polynomial", "long division of polynomials",
        "function|函数", "inverse function|f^{-1}|反函数", "composition of functions|f(g(|g(f(", "functional equation",
        "domain|定义域", "range of a function|值域", "asymptote", r"absolute value|绝对值", r"floor function|\lfloor|取整",
        r"ceiling function|\lceil", r"logarithm|\log|\ln|对数", r"exponent|power of|指数", r"radical|\sqrt|根式",
        "rationalize the denominator|rationalize", r"complex number|imaginary|复数", "real numbers|实数",
        "rational expression|rational function", "partial fractions", "interval notation", "direct variation|inversely|proportional",
        "slope|斜率", "line in the plane|y-intercept|x-intercept", "coordinate plane|coordinates|坐标", "distance formula",
        "parabola|抛物线", "ellipse|椭圆", "hyperbola|双曲线", "vertex|vertices|顶点", "focus|foci|焦点",
        r"matrix|\begin{pmatrix}|\begin{bmatrix}|矩阵", r"determinant|\det|行列式", r"vector|\mathbf|\overrightarrow|向量",
        r"dot product|\cdot \mathbf", r"cross product|\times \mathbf", r"projection|\operatorname{proj}",
        r"trigonometric function|\sin|\cos|\tan|三角函数", "trigonometric identity", r"inverse trigonometric function|\arcsin|\arccos|\arctan",
        "law of cosines|余弦定理", "law of sines|正弦定理", "polar coordinates|polar|极坐标", "spherical coordinates",
        "parametric equations|parameterized", "roots of unity", "period of a function|period", "amplitude",
        "fraction|分数", "decimal|小数", "percent|percentage|百分", "ratio|比", "rate|speed|速度", "average|arithmetic mean|the mean|平均",
        "median|中位数", "work rate", "mixture", "simple interest", "compound interest", "unit conversion", "order of operations",
        "scientific notation", "estimate|rounded",
    ),
}  # fmt: skip
