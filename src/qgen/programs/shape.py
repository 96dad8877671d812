"""What a program does, without the names, numbers and texts that it does it with."""

import ast
import hashlib
from typing import Any

_PLAIN: dict[type, Any] = {int: 0, float: 0, complex: 0, str: "", bytes: b""}


def shape(program: str) -> str | None:
    """A hash of 16 hexadecimal digits, the same for programs that differ in the names they give, in numbers, texts,
    comments and layout alone. None where it is no Python.

    A fault of the parser's own (recursion, memory) counts as none: the text comes from a model.
    """
    try:
        tree = ast.parse(program)
        plain = ast.dump(_Plain(tree).visit(tree), annotate_fields=False)
        return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()[:16]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Plain(ast.NodeTransformer):
    """Numbers the names that a program gives in the order of their use, and empties its constants. Names of others,
    as of `sum` and `gcd`, are what it does, and stay."""

    def __init__(self, tree: ast.Module):
        stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        named = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        self.own = stored | named | {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        self.order: dict[str, str] = {}

    def _name(self, name: str) -> str:
        return self.order.setdefault(name, f"_{len(self.order)}") if name in self.own else name

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._name(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(self._name(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._name(node.name)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(_PLAIN.get(type(node.value), node.value))
