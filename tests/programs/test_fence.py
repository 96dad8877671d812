"""What the fence lets through, and what it refuses."""

import pytest

from qgen.programs import RefusedError, check, program_in

FINE = (
    "print(sum(n for n in range(1000) if n % 3 == 0 or n % 5 == 0))",
    "from fractions import Fraction as F\nprint(F(1, 2) + F(1, 3))",
    "import sympy as sp\nx = sp.symbols('x')\nprint(sp.solve(x**2 - 2, x))",
    "from sympy.ntheory import factorint\nprint(factorint(360))",
    "from sympy import *\nprint(S(1) / 3)",
    "from functools import lru_cache\n@lru_cache(None)\ndef f(n):\n    return n and f(n - 1) + n\nprint(f(90))",
    "def main():\n    print(7)\nif __name__ == '__main__':\n    main()",
    "print('{:.2f} {}'.format(1 / 3, 2))",
    "print(f'{1 / 3:.2f}')",
    "from decimal import Decimal, localcontext\nwith localcontext() as c:\n    c.prec = 9\n    print(Decimal(2))",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)",
    "_ = [print(_) for _ in (1, 2)]",
)
REFUSED = {
    "import os": "line 1: the module os",
    "x = 1\nimport math, sys": "line 2: the module sys",
    "from . import x": "the module .",
    "import sympy.utilities.autowrap": "sympy.utilities.autowrap",
    "from sympy import lambdify": "lambdify of sympy",
    "from functools import update_wrapper": "update_wrapper of functools",
    "from operator import attrgetter": "attrgetter of operator",
    "().__class__": "the name __class__",
    "(x for x in ()).gi_frame": "the attribute gi_frame",
    "def f(): pass\nf.func_globals": "line 2: the attribute func_globals",
    "x._private": "the attribute _private",
    "__import__('os')": "the name __import__",
    "print(__builtins__)": "the name __builtins__",
    "eval('1')": "the name eval",
    "getattr(1, 'real')": "the name getattr",
    "open('x')": "the name open",
    "input()": "the name input",
    "ｅｘｅｃ('1')": "the name exec",  # Python reads these letters as the others
    "'{0.__class__}'.format(1)": "format of a text",
    "'{0[0]}'.format([1])": "format of a text",
    "'{:{0.real}}'.format(1)": "format of a text",
    "s = '{0.real}'\ns.format(1)": "line 2: format of a text",
    "str.format('{0.real}', 1)": "format of a text",
    "'{x}'.format_map({})": "the attribute format_map",
    "class A: pass": "ClassDef",
    "match 1:\n    case int(real=x): pass": "Match",
    "async def f(): pass": "AsyncFunctionDef",
    "try:\n    pass\nexcept* ValueError:\n    pass": "TryStar",
    "type('A', (), {})": "type() of more than one thing",
    "print(1, file=x)": "print(file=...)",
    "def f(__class__): pass": "the name __class__",
    "f(__class__=1)": "the name __class__",
    "global __builtins__": "the name __builtins__",
    "except_ = BaseException": "the name BaseException",
    "'\ud800'": "surrogates",
    "(" * 5000 + ")" * 5000: "nested too deeply",
    "x" * 60_000: "longer than",
    "[" + "1," * 24_000 + "]": "parts",
}


@pytest.mark.parametrize("program", FINE)
def test_what_computes_passes(program):
    check(program)


@pytest.mark.parametrize("program", REFUSED, ids=range(len(REFUSED)))
def test_what_does_more_is_refused_with_its_line(program):
    with pytest.raises((RefusedError, SyntaxError)) as caught:
        check(program)
    if not isinstance(caught.value, SyntaxError):
        assert REFUSED[program] in str(caught.value)
    else:
        assert program.startswith("(((")  # some versions of Python say so of brackets themselves


def test_broken_python_is_a_syntax_error():
    for program in ("print(", "x = = 1", "\0", "def f(:"):
        with pytest.raises(SyntaxError):
            check(program)


def test_the_last_python_block_that_prints():
    text = "So\n```python\nx = 1\nprint(x)\n```\nthen\n```output\n1\n```\nand\n```python\nx = 2\n```\nDone."
    assert program_in(text) == "x = 1\nprint(x)\n"
    assert program_in("```\nprint(3)\n```") == "print(3)\n"
    assert program_in("```python\nprint(3)") is None  # cut off
    assert program_in("no program") is None
