"""Python's syntax trees as formatted text, as `ruff format` would write it.

`expression : ast.expr -> str` and `statements : [ast.stmt] -> lines`. Read next: `layout.py`, which
breaks lines that are too long.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from .layout import WIDTH, laid_out

__all__ = ["expression", "statements"]

_TERNARY, _OR, _AND, _NOT, _COMPARE, _UNARY, _POWER, _ATOM = 1, 2, 3, 4, 5, 12, 13, 14
_BINARY: Final[dict[type[ast.operator], tuple[str, int]]] = {
    ast.BitOr: ("|", 6),
    ast.BitXor: ("^", 7),
    ast.BitAnd: ("&", 8),
    ast.LShift: ("<<", 9),
    ast.RShift: (">>", 9),
    ast.Add: ("+", 10),
    ast.Sub: ("-", 10),
    ast.Mult: ("*", 11),
    ast.Div: ("/", 11),
    ast.FloorDiv: ("//", 11),
    ast.Mod: ("%", 11),
    ast.MatMult: ("@", 11),
    ast.Pow: ("**", _POWER),
}
_UNARY_SIGNS: Final = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.Not: "not "}
_COMPARISONS: Final = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def expression(node: ast.AST, rank: int = 0) -> str:
    """The text of an expression, in parentheses where what is around it binds more closely."""
    text, own = _expression(node)
    return f"({text})" if own < rank else text


def _expression(node: ast.AST) -> tuple[str, int]:
    """The text, and how closely it binds."""
    match node:
        case ast.Name():
            return node.id, _ATOM
        case ast.Constant():
            return _constant(node.value)
        case ast.BinOp():
            return _binary(node)
        case ast.UnaryOp():
            sign = _UNARY_SIGNS[type(node.op)]
            own = _NOT if sign == "not " else _UNARY
            if isinstance(node.operand, ast.BinOp):  # a power, which binds more closely
                own_text = f"({expression(node.operand)})"
                return sign + own_text, own
            return sign + expression(node.operand, own), own
        case ast.BoolOp():
            word, own = (" and ", _AND) if isinstance(node.op, ast.And) else (" or ", _OR)
            return word.join([expression(v, own + 1) for v in node.values]), own
        case ast.Compare():
            text = expression(node.left, _COMPARE + 1)
            for op, other in zip(node.ops, node.comparators, strict=True):
                text += f" {_COMPARISONS[type(op)]} {expression(other, _COMPARE + 1)}"
            return text, _COMPARE
        case ast.IfExp():
            body, test = expression(node.body, _OR), expression(node.test, _OR)
            return f"{body} if {test} else {expression(node.orelse, _TERNARY)}", _TERNARY
        case ast.Lambda():
            arguments = _arguments(node.args)
            return f"lambda{' ' if arguments else ''}{', '.join(arguments)}: " + expression(
                node.body
            ), 0
        case ast.Attribute():
            value = expression(node.value, _ATOM)
            if isinstance(node.value, ast.Constant) and type(node.value.value) is int:
                value = f"({value})"
            return f"{value}.{node.attr}", _ATOM
        case ast.Call():
            return f"{expression(node.func, _ATOM)}({', '.join(_call_items(node))})", _ATOM
        case ast.Subscript():
            return f"{expression(node.value, _ATOM)}[{_index(node.slice)}]", _ATOM
        case ast.Starred():
            return f"*{expression(node.value, _OR)}", _ATOM
        case ast.Tuple():
            items = [expression(v) for v in node.elts]
            return f"({', '.join(items)}{',' * (len(items) == 1)})", _ATOM
        case ast.List():
            return f"[{', '.join([expression(v) for v in node.elts])}]", _ATOM
        case ast.Set():
            return f"{{{', '.join([expression(v) for v in node.elts])}}}", _ATOM
        case ast.Dict():
            return f"{{{', '.join(_dict_items(node))}}}", _ATOM
        case ast.ListComp():
            return f"[{expression(node.elt)}{_generators(node.generators)}]", _ATOM
        case ast.SetComp():
            return f"{{{expression(node.elt)}{_generators(node.generators)}}}", _ATOM
        case ast.GeneratorExp():
            return f"({expression(node.elt)}{_generators(node.generators)})", _ATOM
        case ast.DictComp():
            pair = f"{expression(node.key)}: {expression(node.value)}"
            return f"{{{pair}{_generators(node.generators)}}}", _ATOM
        case ast.NamedExpr():
            return f"{expression(node.target)} := {expression(node.value)}", 0
        case ast.JoinedStr():
            return _joined(node), _ATOM
        case ast.Slice():
            return _slice(node), 0
    raise TypeError(f"an expression of {type(node).__name__} has no text")


def _constant(value: object) -> tuple[str, int]:
    if isinstance(value, str):
        return _quoted(value), _ATOM
    if value is Ellipsis:
        return "...", _ATOM
    text = repr(value).replace("e+", "e")
    return text, _UNARY if text.startswith("-") else _ATOM


def _quoted(text: str) -> str:
    plain = repr(text)
    if plain.startswith("'") and '"' not in plain:
        return f'"{plain[1:-1]}"'
    return plain


def _joined(node: ast.JoinedStr) -> str:
    parts = []
    for v in node.values:
        if isinstance(v, ast.Constant):
            parts.append(
                repr(v.value)[1:-1].replace('"', "'").replace("{", "{{").replace("}", "}}")
            )
        else:
            assert isinstance(v, ast.FormattedValue)
            text = expression(v.value).replace('"', "'")
            kind = "" if v.conversion < 0 else f"!{chr(v.conversion)}"
            form = ""
            if isinstance(v.format_spec, ast.JoinedStr):
                form = ":" + _joined(v.format_spec)[2:-1]
            parts.append(f"{{{text}{kind}{form}}}")
    return f'f"{"".join(parts)}"'


def _binary(node: ast.BinOp) -> tuple[str, int]:
    sign, own = _BINARY[type(node.op)]
    if own == _POWER:
        left, right = expression(node.left, _POWER + 1), expression(node.right, _UNARY)
        plain = not isinstance(node.left, ast.UnaryOp) and not left.startswith("(")
        gap = "" if plain and _is_short(node.left) and _is_short(node.right) else " "
        return f"{left}{gap}**{gap}{right}", own
    left, right = expression(node.left, own), expression(node.right, own + 1)
    return f"{left} {sign} {right}", own


def _is_short(node: ast.AST) -> bool:
    """True for an operand that has no spaces around the power sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node = node.operand
        return isinstance(node, ast.Constant) or _is_dotted(node)
    return (isinstance(node, ast.Constant) and not isinstance(node.value, str)) or _is_dotted(node)


def _is_dotted(node: ast.AST) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _index(node: ast.AST) -> str:
    if isinstance(node, ast.Tuple) and node.elts:
        text = ", ".join([expression(v) for v in node.elts])
        return text + ("," if len(node.elts) == 1 else "")
    return expression(node)


def _slice(node: ast.Slice) -> str:
    parts = [node.lower, node.upper]
    plain = all([v is None or _is_plain(v) for v in (*parts, node.step)])
    texts = ["" if v is None else expression(v) for v in parts]
    if plain:
        text = ":".join(texts)
        return text if node.step is None else f"{text}:{expression(node.step)}"
    text = f"{texts[0]}{' ' if texts[0] else ''}:{' ' if texts[1] else ''}{texts[1]}"
    return text if node.step is None else f"{text} : {expression(node.step)}"


def _is_plain(node: ast.AST) -> bool:
    if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Not):
        return _is_plain(node.operand)
    return isinstance(node, ast.Name | ast.Constant)


def _call_items(node: ast.Call) -> list[str]:
    if len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp) and not node.keywords:
        return [expression(node.args[0])[1:-1]]
    items = [expression(a, _TERNARY if isinstance(a, ast.IfExp) else 0) for a in node.args]
    for k in node.keywords:
        items.append(
            f"**{expression(k.value)}" if k.arg is None else f"{k.arg}={expression(k.value)}"
        )
    return items


def _dict_items(node: ast.Dict) -> list[str]:
    return [
        f"**{expression(v)}" if k is None else f"{expression(k)}: {expression(v)}"
        for k, v in zip(node.keys, node.values, strict=True)
    ]


def _generators(found: Sequence[ast.comprehension]) -> str:
    text = ""
    for g in found:
        text += f" for {_bare(g.target)} in {expression(g.iter, _OR)}"
        text += "".join([f" if {expression(c, _OR)}" for c in g.ifs])
    return text


def _bare(node: ast.AST) -> str:
    """A tuple without its parentheses."""
    return _index(node) if isinstance(node, ast.Tuple) else expression(node)


def _arguments(args: ast.arguments) -> list[str]:
    """The parameters of a function, without annotations."""
    found: list[str] = []
    plain = [*args.posonlyargs, *args.args]
    first = len(plain) - len(args.defaults)
    for i, a in enumerate(plain):
        found.append(a.arg if i < first else f"{a.arg}={expression(args.defaults[i - first])}")
        if i + 1 == len(args.posonlyargs):
            found.append("/")
    if args.vararg is not None:
        found.append(f"*{args.vararg.arg}")
    elif args.kwonlyargs:
        found.append("*")
    for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        found.append(a.arg if default is None else f"{a.arg}={expression(default)}")
    if args.kwarg is not None:
        found.append(f"**{args.kwarg.arg}")
    return found


# Statements.


def statements(body: Sequence[ast.stmt], indent: int = 0) -> list[str]:
    """The lines of statements."""
    lines: list[str] = []
    for k, node in enumerate(body):
        if isinstance(node, ast.FunctionDef) and k:
            lines.append("")
        lines += _statement(node, indent)
        if isinstance(node, ast.FunctionDef) and k + 1 < len(body):
            lines.append("")
    return lines


def _statement(node: ast.stmt, indent: int) -> list[str]:
    inner = indent + 4

    def line(text: str) -> list[str]:
        return laid_out(text, indent)

    match node:
        case ast.FunctionDef():
            head = line(f"def {node.name}({', '.join(_arguments(node.args))}):")
            body = node.body
            if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
                text = str(body[0].value.value).split("\n\n")[0]
                quoted = [f'"""{text.strip()}"""'] if len(text) < 80 and "\n" not in text else []
                rest = statements(body[1:], inner)
                if quoted and isinstance(body[1], ast.FunctionDef):
                    rest = ["", *rest]
                return [*head, *[" " * inner + q for q in quoted], *rest]
            return [*head, *statements(body, inner)]
        case ast.Return():
            return line("return" if node.value is None else f"return {_bare(node.value)}")
        case ast.Assign():
            targets = "".join([f"{_bare(t)} = " for t in node.targets])
            return line(targets + _bare(node.value))
        case ast.AnnAssign():
            if node.value is None:
                return []
            return line(f"{expression(node.target)} = {_bare(node.value)}")
        case ast.AugAssign():
            sign = _BINARY[type(node.op)][0]
            return line(f"{expression(node.target)} {sign}= {_bare(node.value)}")
        case ast.Expr():
            return line(_bare(node.value))
        case ast.If():
            return _if(node, indent, "if")
        case ast.For():
            head = line(f"for {_bare(node.target)} in {_looped(node.iter)}:")
            return [*head, *statements(node.body, inner), *_else(node.orelse, indent)]
        case ast.While():
            head = line(f"while {expression(node.test)}:")
            return [*head, *statements(node.body, inner), *_else(node.orelse, indent)]
        case ast.With():
            items = []
            for i in node.items:
                name = "" if i.optional_vars is None else f" as {expression(i.optional_vars)}"
                items.append(expression(i.context_expr) + name)
            return [*line(f"with {', '.join(items)}:"), *statements(node.body, inner)]
        case ast.Raise():
            cause = "" if node.cause is None else f" from {expression(node.cause)}"
            return line("raise" if node.exc is None else f"raise {expression(node.exc)}{cause}")
        case ast.Try():
            lines = [*line("try:"), *statements(node.body, inner)]
            for h in node.handlers:
                kind = "" if h.type is None else f" {expression(h.type)}"
                name = "" if h.name is None else f" as {h.name}"
                lines += [*line(f"except{kind}{name}:"), *statements(h.body, inner)]
            lines += _else(node.orelse, indent)
            if node.finalbody:
                lines += [*line("finally:"), *statements(node.finalbody, inner)]
            return lines
        case ast.Assert():
            return line(f"assert {expression(node.test)}")
        case ast.Pass():
            return line("pass")
        case ast.Break():
            return line("break")
        case ast.Continue():
            return line("continue")
        case ast.Delete():
            return line(f"del {', '.join([expression(t) for t in node.targets])}")
        case ast.Nonlocal():
            return line(f"nonlocal {', '.join(node.names)}")
    raise TypeError(f"a statement of {type(node).__name__} has no text")


def _looped(node: ast.expr) -> str:
    text = _bare(node)
    return text if len(text) < WIDTH // 2 else expression(node)


def _if(node: ast.If, indent: int, word: str) -> list[str]:
    lines = laid_out(f"{word} {expression(node.test)}:", indent)
    lines += statements(node.body, indent + 4)
    if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        return lines + _if(node.orelse[0], indent, "elif")
    return lines + _else(node.orelse, indent)


def _else(body: Sequence[ast.stmt], indent: int) -> list[str]:
    return [" " * indent + "else:", *statements(body, indent + 4)] if body else []
