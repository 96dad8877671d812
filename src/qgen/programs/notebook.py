"""What a notebook would show: a program that prints nothing has its last statement's value printed."""

import ast


def printing(tree: ast.Module | ast.Expression) -> ast.Module | ast.Expression:
    """The program, which prints the value of its last statement where it calls no print: an expression's value, the
    name that is set, what a function without arguments returns (the form of PAL's programs, arXiv:2211.10435)."""
    if not isinstance(tree, ast.Module) or not tree.body:
        return tree
    if _prints(tree):
        return tree
    last = tree.body[-1]
    match last:
        case ast.Expr(value):
            body, shown = tree.body[:-1], value
        case (
            ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
            | ast.AugAssign(target=ast.Name(id=name))
        ):
            body, shown = tree.body, ast.Name(name, ast.Load())
        case ast.FunctionDef(name=name, args=ast.arguments(posonlyargs=[], args=[], kwonlyargs=[])):
            body, shown = tree.body, ast.Call(ast.Name(name, ast.Load()), [], [])
        case _:
            return tree
    show = ast.Expr(ast.Call(ast.Name("print", ast.Load()), [shown], []))
    return ast.fix_missing_locations(ast.Module([*body, ast.copy_location(show, last)], tree.type_ignores))


def silent(program: str) -> bool:
    """Whether a program prints nothing by itself; False of one that is no Python."""
    try:
        return not _prints(ast.parse(program))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _prints(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree))
