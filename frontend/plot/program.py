"""Programs, drawn as graphs: a box for each equation, an arrow for each operand.

The SVG is written here, so nothing has to be installed. In HTML, the programs inside of equations
(bodies of loops, branches, derivatives that wait) are regions of their own that open and close.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..core.errors import ShapeError
from ..core.ir import Atom, Equation, Literal, Program, Var
from ..core.printing import letters, literal_text, plain_params, subprograms
from ..core.source import boundary
from ..transforms import make_program
from .layers import Placed, place

__all__ = ["ProgramDrawing", "program"]

_LETTER: Final = 7.2
"""The width of a letter, in pixels, at 12 pixels."""
_LINE: Final = 16.0
_FILLS: Final = {
    "input": "#e3edf7",
    "constant": "#eeeeee",
    "operation": "#ffffff",
    "structured": "#fdf0dc",
    "output": "#e4f3e8",
}
_STROKES: Final = {
    "input": "#1f4e79",
    "constant": "#7a7a7a",
    "operation": "#444444",
    "structured": "#b8860b",
    "output": "#2a7f62",
}


class Box(NamedTuple):
    """A node: its kind, its lines of text, and what is shown when the pointer rests on it."""

    kind: str
    lines: tuple[str, ...]
    hint: str


class ProgramDrawing:
    """A drawing of a program: `svg` and `html` are texts, and notebooks show it by itself."""

    def __init__(self, program: Program) -> None:
        self.program = program

    @property
    def svg(self) -> str:
        """The graph as SVG; programs inside of equations are drawn below it."""
        parts, width, at = [], 0.0, 0.0
        for title, inner in _regions(self.program):
            body, w, h = _graph(inner)
            parts.append(
                f'<g transform="translate(0 {at:.0f})">'
                f'<text x="8" y="16" font-weight="bold">{escape(title)}</text>'
                f'<g transform="translate(0 22)">{body}</g></g>'
            )
            width, at = max(width, w, 24 + _LETTER * len(title)), at + h + 40
        return _svg("".join(parts), width, at)

    @property
    def html(self) -> str:
        """A page: a graph for each region, which opens and closes."""
        return (
            "<!doctype html><html><head><meta charset='utf-8'>"
            f"<title>{escape(self.program.name)}</title><style>"
            "body{font-family:sans-serif;margin:1.5em;color:#202020}"
            "details{border:1px solid #ccc;border-radius:6px;margin:.6em 0;padding:.4em .8em}"
            "summary{cursor:pointer;font-family:monospace}"
            "</style></head><body>"
            f"{_details(self.program, self.program.name, True)}</body></html>"
        )

    def save(self, path: str | Path) -> None:
        """Write the drawing to a file: `.svg` or `.html`."""
        where = Path(path)
        if where.suffix not in (".svg", ".html"):
            raise ShapeError(
                "plot.program: drawings are saved as .svg or .html.", got=repr(where.name)
            )
        where.write_text(self.html if where.suffix == ".html" else self.svg, encoding="utf-8")

    def _repr_html_(self) -> str:
        return _details(self.program, self.program.name, True)

    def __repr__(self) -> str:
        return f"<drawing of {self.program.name}: {len(self.program.equations)} equations>"


@boundary
def program(
    fun: Callable[..., Any] | Program, *args: Any, most_equations: int = 300
) -> ProgramDrawing:
    """Draw a program as a graph, without any other package.

    Args:
        fun: a program; or a function, which is traced at `args`.
        args: the arguments of the function.
        most_equations: refuse to draw a program, or one inside of it, with more equations.

    Returns:
        A `ProgramDrawing`: `.svg` and `.html` are texts, `.save(path)` writes one of them, and
        notebooks show it. Boxes are inputs (blue), operations (white), loops, branches and other
        operations that hold programs (yellow), and results (green); the pointer shows the line that
        an operation comes from.

    Raises:
        ShapeError: if there are too many equations.
        ConcretizationError: if a function asks for a value, as `if x > 0` does.

    Example:
        >>> import numpy as np, wengert as wg
        >>> drawing = wg.plot.program(wg.grad(lambda x: np.sum(np.sin(x) ** 2)), np.ones(3))
        >>> drawing.svg[:4], drawing.html[:15]
        ('<svg', '<!doctype html>')
    """
    found = fun if isinstance(fun, Program) else make_program(fun)(*args)
    for title, inner in _regions(found):
        if len(inner.equations) > most_equations:
            raise ShapeError(
                f"plot.program: {title} has too many equations for a picture.",
                got=f"{len(inner.equations)} equations",
                needed=f"at most {most_equations}",
                fix="draw a part of it: a smaller function, scan in the place of a loop; or pass "
                "most_equations=",
            )
    return ProgramDrawing(found)


def _regions(program: Program) -> list[tuple[str, Program]]:
    """A program and all programs in it, with titles; each once."""
    found: list[tuple[str, Program]] = []
    seen: set[int] = set()

    def visit(title: str, p: Program) -> None:
        if id(p) in seen:
            return
        seen.add(id(p))
        found.append((title, p))
        for e in p.equations:
            for label, inner in subprograms(e.params):
                visit(f"{title} / {e.primitive.name}.{label}", inner)

    visit(program.name, program)
    return found


def _details(program: Program, title: str, is_open: bool) -> str:
    body, w, h = _graph(program)
    parts = [_svg(body, w, h)]
    for e in program.equations:
        for label, inner in subprograms(e.params):
            parts.append(_details(inner, f"{e.primitive.name}.{label}", False))
    n = len(program.equations)
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(title)} "
        f"({n} equation{'s' * (n != 1)})</summary>{''.join(parts)}</details>"
    )


def _graph(program: Program) -> tuple[str, float, float]:
    """The boxes and arrows of one program, and their size."""
    boxes, edges = _boxes(program)
    sizes = [
        (max([len(t) for t in b.lines]) * _LETTER + 18, len(b.lines) * _LINE + 8) for b in boxes
    ]
    placed = place(sizes, edges)
    arrows = "".join([_arrow(route) for route in placed.routes])
    return arrows + _drawn(boxes, sizes, placed), placed.width, placed.height


def _boxes(program: Program) -> tuple[list[Box], list[tuple[int, int]]]:
    """The boxes in an order in which operands come first, and the arrows between them."""
    names = letters()
    boxes: list[Box] = []
    edges: list[tuple[int, int]] = []
    maker: dict[Var, int] = {}
    name: dict[Var, str] = {}

    def add(box: Box, made: list[Var]) -> int:
        boxes.append(box)
        maker.update(dict.fromkeys(made, len(boxes) - 1))
        return len(boxes) - 1

    def title(v: Var) -> str:
        name[v] = next(names)
        return f"{name[v]}: {v.aval!r}"

    def text(a: Atom) -> str:
        return literal_text(a.value) if isinstance(a, Literal) else name[a]

    for v in program.inputs:
        add(Box("input", (title(v),), "argument"), [v])
    for v, _ in program.constants:
        add(Box("constant", (title(v),), "constant"), [v])
    for e in program.equations:
        operation = " ".join([e.primitive.name, *[text(a) for a in e.inputs]])
        lines = [_short(operation)]
        params = ", ".join(plain_params(e.params))
        if params:
            lines.append(_short(params))
        lines += [title(v) for v in e.outputs]
        kind = "structured" if subprograms(e.params) else "operation"
        k = add(Box(kind, tuple(lines), _hint(e)), list(e.outputs))
        edges += [(maker[a], k) for a in dict.fromkeys(e.inputs) if isinstance(a, Var)]
    for a in program.outputs:
        k = add(Box("output", (f"return {text(a)}",), "result"), [])
        if isinstance(a, Var):
            edges.append((maker[a], k))
    return boxes, edges


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _hint(e: Equation) -> str:
    return e.primitive.name if e.source is None else repr(e.source)


def _drawn(boxes: list[Box], sizes: list[tuple[float, float]], placed: Placed) -> str:
    parts = []
    for box, (w, h), (x, y) in zip(boxes, sizes, placed.centres, strict=True):
        top = y - h / 2 + 4
        lines = "".join([
            f'<text x="{x:.1f}" y="{top + _LINE * (k + 0.75):.1f}" text-anchor="middle" '
            f'font-weight="{"normal" if k else "bold"}">{escape(t)}</text>'
            for k, t in enumerate(box.lines)
        ])  # fmt: skip
        parts.append(
            f'<g><title>{escape(box.hint)}</title><rect x="{x - w / 2:.1f}" y="{y - h / 2:.1f}" '
            f'width="{w:.1f}" height="{h:.1f}" rx="5" fill="{_FILLS[box.kind]}" '
            f'stroke="{_STROKES[box.kind]}"/>{lines}</g>'
        )
    return "".join(parts)


def _arrow(route: list[tuple[float, float]]) -> str:
    """A smooth line through the points, which leaves and arrives vertically."""
    (x, y), *rest = route
    path = f"M{x:.1f} {y:.1f}"
    for x1, y1 in rest:
        middle = (y + y1) / 2
        path += f"C{x:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
        x, y = x1, y1
    return f'<path d="{path}" fill="none" stroke="#8a8a8a" marker-end="url(#arrow)"/>'


def _svg(body: str, width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="12">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a8a8a"/></marker></defs>'
        f"{body}</svg>"
    )
