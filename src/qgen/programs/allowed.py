"""The lists behind the fence: syntax, names, modules and attributes that a program may use (pure data).

Where a list says what may be used, all else is refused; where it says what may not, it stands behind one that says
what may (attributes: those of the values that the other lists let a program reach).
"""

import ast

SOURCE = 50_000  # characters
NODES = 20_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# fmt: off
SYNTAX = (
    ast.Module, ast.Expression, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If,
    ast.Break, ast.Continue, ast.Pass, ast.FunctionDef, ast.Return, ast.Lambda, ast.arguments, ast.arg, ast.Import,
    ast.ImportFrom, ast.alias, ast.comprehension, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
    ast.JoinedStr, ast.FormattedValue, ast.Constant, ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Starred,
    ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.NamedExpr, ast.List,
    ast.Tuple, ast.Set, ast.Dict, ast.Try, ast.ExceptHandler, ast.Raise, ast.Assert, ast.Yield, ast.YieldFrom,
    ast.Global, ast.Nonlocal, ast.Delete, ast.With, ast.withitem,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # no classes, no match (its patterns read attributes), no except*, nothing asynchronous

BUILTINS = _words(
    """abs all any bin bool chr complex dict divmod enumerate filter float format frozenset hash hex int isinstance iter
    len list map max min next oct ord pow print range repr reversed round set slice sorted str sum tuple type zip
    callable exit quit True False None Ellipsis NotImplemented
    ArithmeticError AssertionError Exception IndexError KeyError LookupError NotImplementedError OverflowError
    RecursionError RuntimeError StopIteration TypeError ValueError ZeroDivisionError AttributeError NameError"""
)

MODULES = {  # what may be imported of each; None: all that is public
    "math": None, "cmath": None, "fractions": {"Fraction", "gcd"}, "itertools": None, "heapq": None, "bisect": None,
    "decimal": {"Decimal", "getcontext", "localcontext", "Context", "ROUND_HALF_UP", "ROUND_HALF_EVEN", "ROUND_DOWN",
                "ROUND_UP", "ROUND_FLOOR", "ROUND_CEILING", "ROUND_HALF_DOWN"},
    "collections": {"Counter", "defaultdict", "deque", "OrderedDict", "ChainMap"},
    "functools": {"reduce", "lru_cache", "cache", "partial", "cmp_to_key"},  # update_wrapper sets any attribute
    "statistics": {"mean", "median", "mode", "multimode", "median_low", "median_high", "pstdev", "stdev", "variance",
                   "pvariance", "fmean", "geometric_mean", "harmonic_mean"},
    "operator": {"add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pow", "xor", "and_", "or_", "lt", "le",
                 "eq", "ne", "ge", "gt", "itemgetter"},  # attrgetter reads any attribute
    "typing": {"List", "Tuple", "Dict", "Set", "Optional", "Union", "Iterable", "Iterator", "Callable", "Any"},
    "mpmath": {"mp", "mpf", "mpc", "sqrt", "pi", "e", "sin", "cos", "tan", "log", "exp", "floor", "ceil", "nstr",
               "asin", "acos", "atan", "factorial", "gamma", "zeta", "binomial", "inf", "fabs", "power", "root"},
}

SYMPY = _words(  # packages, each as a module with what it defines itself, less FORBIDDEN
    """abc calculus combinatorics concrete core discrete functions geometry integrals logic matrices ntheory polys
    series sets simplify solvers stats tensor utilities.iterables vector"""
)
FORBIDDEN = _words(  # of sympy: what runs or writes code, draws, opens files, pages, patches, or tests
    """lambdify parse_expr preview plot textplot plot_backends plot_implicit plot_parametric dotprint init_session
    init_printing interactive_traversal test doctest pager_print print_gtk public threaded xthreaded memoize_property
    timed source python print_python pycode ccode print_ccode smtlib_code glsl_code print_glsl cxxcode fcode
    print_fcode rcode print_rcode jscode print_jscode julia_code mathematica_code octave_code rust_code maple_code
    print_maple_code list2numpy matrix2numpy symarray register_handler remove_handler var cacheit capture filldedent
    StrPrinter use parallel_poly_from_expr Options deprecated lazy_function import_module debug conserve_mpmath_dps
    experimental_lambdify autowrap ufuncify codegen make_routine implemented_function subprocess as_int_hook
    converter external_converter dispatch Dispatcher sample sample_iter sampling_E sampling_P sampling_density
    load save get_class numpy np random evalf_table"""
)

ATTRIBUTES = _words(  # no program may name these, on any value; nor what starts with an underscore or PREFIXES
    """mro format_map with_traceback add_note obj tb_frame rewrite_module modules builtins sys os path io lambdify
    parse_expr preview plot system popen save load tofile dump dumps exec eval compile import_module
    read write readlines writelines read_text write_text autowrap codegen vformat get_field attrgetter methodcaller
    update_wrapper wraps register throw func_globals func_code"""
)
PREFIXES = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_", "im_")
# fmt: on
