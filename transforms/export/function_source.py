"""Finding the definition of a function in its file.

`source_of : function -> its syntax tree`. Lambdas are told apart by where their code is written.
"""

from __future__ import annotations

import ast
import linecache
from functools import cache
from types import CodeType, FunctionType

from .module import NoTextError

__all__ = ["own_names", "source_of"]


@cache
def _parsed(filename: str) -> ast.Module | None:
    lines = linecache.getlines(filename)
    try:
        return ast.parse("".join(lines)) if lines else None
    except SyntaxError:
        return None


def source_of(fun: FunctionType) -> ast.FunctionDef | ast.Lambda:
    """The definition of a function."""
    code = fun.__code__
    tree = _parsed(code.co_filename)
    found: list[ast.FunctionDef | ast.Lambda] = []
    if tree is not None:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
                if first == code.co_firstlineno:
                    found.append(node)
            elif (
                isinstance(node, ast.Lambda)
                and code.co_name == "<lambda>"
                and node.lineno == code.co_firstlineno
                and _covers(node.body, code)
            ):
                found.append(node)
    if not found:
        raise NoTextError(f"the source of {fun.__qualname__} cannot be read")
    return min(found, key=_extent)


def _extent(node: ast.expr | ast.stmt) -> tuple[int, int]:
    last, column = node.end_lineno or 0, node.end_col_offset or 0
    return last - node.lineno, column - node.col_offset


def _covers(body: ast.expr, code: CodeType) -> bool:
    """True if all that a code object computes is written within an expression."""
    start = (body.lineno, body.col_offset)
    end = (body.end_lineno or 0, body.end_col_offset or 0)
    inside = [
        ((first, column) >= start and (last, after) <= end)
        for first, last, column, after in code.co_positions()
        if first is not None and last is not None and column is not None and after
    ]
    return bool(inside) and all(inside)


def own_names(node: ast.FunctionDef | ast.Lambda) -> set[str]:
    """All names that are bound somewhere in a function."""
    found: set[str] = set()
    for v in ast.walk(node):
        if isinstance(v, ast.arg):
            found.add(v.arg)
        elif isinstance(v, ast.Name) and isinstance(v.ctx, ast.Store):
            found.add(v.id)
        elif isinstance(v, ast.FunctionDef | ast.ExceptHandler) and v is not node and v.name:
            found.add(v.name)
    return found
