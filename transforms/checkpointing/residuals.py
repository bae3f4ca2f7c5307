"""What reverse mode keeps in memory between the forward and the backward pass: the residuals.

`saved_residuals` runs the function once on a trace that notes the user's line for every entry of
the tape, and then looks at the tape itself: what it lists is what is there. Memory that several
entries share is counted once; of a view, the array that holds its memory is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import DtypeError
from ...core.source import Source, boundary, describe_function, user_source
from ...core.storage import current
from ...core.tracing import Primitive, Tracer
from ...core.treedef import leaf_paths
from ..api import argument_path, differentiable_leaves, flatten_arguments
from ..captures import Captures
from ..linear import COMBINE, DIVIDE, LEFT, RIGHT, SCALE, LinearTrace, is_variable
from ..recording import LinearizeTrace, LinearizeTracer

__all__ = ["Residual", "print_saved_residuals", "saved_residuals"]


class Residual(NamedTuple):
    """An array that reverse mode keeps.

    `shape`, `dtype` and `nbytes` are those of the memory that is kept: of a view, the array that it
    is a view of. `kind` is "argument", "constant" or "result"; `name` says which argument, or which
    operation made it. `needed_by` are the operations whose derivative uses it, and `source` is the
    user's line of the first of them; None where it is not known.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nbytes: int
    kind: str
    name: str
    needed_by: tuple[str, ...]
    source: Source | None


class _NotingTrace(LinearizeTrace):
    """Linearization that notes who wrote each entry of the tape, and who made each array."""

    def __init__(self, function: str, linear: LinearTrace, captures: Captures) -> None:
        super().__init__(function, "saved_residuals", linear, captures)
        self.captures = captures
        self.notes: dict[int, tuple[str, Source | None]] = {}
        self.made: dict[int, tuple[Any, str]] = {}
        self.constants: dict[int, Array] = {}
        self.keep = self.noted

    def noted(self, x: Array) -> Array:
        """Keep an array that is no result of traced operations."""
        x = self.captures.keep(x)
        self.constants[id(owner(x))] = owner(x)
        return x

    def note(self, start: int, name: str, y: Array) -> Array:
        """Note the entries from number `start` on, and the result."""
        found = (name, user_source())
        for i in range(start, len(self.tape)):
            self.notes.setdefault(i, found)
        for v in y if isinstance(y, tuple) else (y,):
            if type(v) is LinearizeTracer and type(v.primal) is np.ndarray:
                x = owner(v.primal)
                self.made.setdefault(id(x), (ref(x), name))
        return y

    def process1(self, primitive: Primitive, x: Array) -> Array:
        n = len(self.tape)
        return self.note(n, primitive.name, super().process1(primitive, x))

    def process2(self, primitive: Primitive, a: Array, b: Array) -> Array:
        n = len(self.tape)
        return self.note(n, primitive.name, super().process2(primitive, a, b))

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        n = len(self.tape)
        return self.note(n, primitive.name, super().process(primitive, args, params))

    def write(
        self, x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool
    ) -> Array:
        n = len(self.tape)
        return self.note(n, "setitem", super().write(x, v, arrays, index, exclusive))


def owner(x: Array) -> Array:
    """The array that holds the memory."""
    while type(x) is np.ndarray and type(x.base) is np.ndarray:
        x = x.base
    return x


def _constants(tape: list[Any], entry: tuple[Any, Any, Any]) -> Iterator[Array]:
    """The values that an entry of a tape holds."""
    kind, a, b = entry
    if kind is SCALE or kind is DIVIDE:
        yield b
    elif kind is COMBINE:
        yield a[1]
        yield b[1]
    elif kind is LEFT or kind is RIGHT:
        yield b[0]
    elif isinstance(kind, Primitive):
        yield from [v for v in a if not is_variable(v, tape)]
        for value in b.values():
            yield from value if isinstance(value, tuple | list) else ()
            yield from getattr(value, "samples", ())


@boundary
def saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Residual]:
    """List what reverse mode of `fun` keeps for the backward pass.

    Args:
        fun: a function of trees of arrays.
        args: its arguments; it is differentiated with respect to all floats and complex numbers in
            them.
        kwargs: keyword arguments, which count as constants.

    Returns:
        A list of `Residual(shape, dtype, nbytes, kind, name, needed_by, source)`, the largest
        first. Memory that is used more than once is listed once. Python's numbers are left out.

    Raises:
        DtypeError: if no argument is float or complex.

    Example:
        >>> import numpy as np, wengert as wg
        >>> found = wg.saved_residuals(lambda x: np.sum(np.sin(x) ** 2), np.ones(100))
        >>> [(r.nbytes, r.kind, r.needed_by) for r in found]
        [(800, 'result', ('sin',)), (800, 'result', ('pow',))]
    """
    return _look(fun, args, kwargs)[0]


def _look(
    fun: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Residual], int]:
    """The residuals, and the number of entries of the tape."""
    if not callable(fun):
        raise DtypeError("saved_residuals: the first argument must be a function.", got=repr(fun))
    name = describe_function(fun)
    operation = f"saved_residuals of {name}"
    leaves, in_tree = flatten_arguments(operation, args)
    _, active = differentiable_leaves(operation, leaves, in_tree)
    paths = [argument_path(p) for p in leaf_paths(in_tree, "")]
    captures = Captures(handed_out=False)
    linear = LinearTrace(name)
    trace = _NotingTrace(name, linear, captures)
    tape = linear.tape
    arguments: dict[int, tuple[Array, str]] = {}
    chosen = range(len(leaves)) if active is None else active
    try:
        linear.variables(len(chosen))
        for n, i in enumerate(chosen):
            x = leaves[i]
            if type(x) is np.ndarray:
                whole, x = owner(x), captures.keep(x)
                for v in (whole, owner(x)):
                    arguments[id(v)] = (v, paths[i])
            leaves[i] = LinearizeTracer(trace, x, n, None, 0)
        result = fun(*tree.unflatten(in_tree, leaves), **kwargs)
        tree.map(current, result)
    except ValueError as error:
        captures.explain(operation, error)
    finally:
        notes, made, constants = trace.notes, trace.made, trace.constants
        trace.close()
        linear.close()
        captures.release()
    del result
    found = _listed(tape, len(chosen), notes, made, arguments, constants)
    return found, len(tape) - len(chosen)


def _listed(
    tape: list[Any],
    n_inputs: int,
    notes: Mapping[int, tuple[str, Source | None]],
    made: Mapping[int, tuple[Any, str]],
    arguments: Mapping[int, tuple[Array, str]],
    constants: Mapping[int, Array],
) -> list[Residual]:
    found: dict[int, Residual] = {}
    for i in range(n_inputs, len(tape)):
        needed_by, source = notes.get(i, ("?", None))
        for x in _constants(tape, tape[i]):
            if not isinstance(x, np.ndarray | np.generic | Tracer):
                continue
            x = owner(x)
            old = found.get(id(x))
            if old is not None:
                if needed_by not in old.needed_by:
                    found[id(x)] = old._replace(needed_by=(*old.needed_by, needed_by))
                continue
            aval = aval_of(x)
            kind, name = "result", f"for {needed_by}"
            known = made.get(id(x))
            if id(x) in arguments:
                kind, name = "argument", arguments[id(x)][1]
            elif known is not None and known[0]() is x:
                name = f"of {known[1]}"
            elif id(x) in constants:
                kind, name = "constant", "a constant"
            found[id(x)] = Residual(
                aval.shape, aval.dtype, aval.size * aval.dtype.itemsize, kind, name,
                (needed_by,), source,
            )  # fmt: skip
    return sorted(found.values(), key=lambda r: -r.nbytes)


@boundary
def print_saved_residuals(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Print what reverse mode of `fun` keeps for the backward pass, and how much memory it is.

    Args:
        fun: as for `saved_residuals`.
        args: its arguments.
        kwargs: keyword arguments.

    Raises:
        DtypeError: if no argument is float or complex.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.print_saved_residuals(np.sin, np.ones(100))  # doctest: +ELLIPSIS
        1 array, 800 bytes, on a tape of 1 entry
          800 bytes  f64[100]  result for sin ...
    """
    found, entries = _look(fun, args, kwargs)
    total = sum([r.nbytes for r in found])
    print(
        f"{_count(len(found), 'array')}, {_size(total)}, on a tape of "
        f"{_count(entries, 'entry', 'entries')}"
    )
    rows = [
        (
            _size(r.nbytes),
            repr(ShapedArray(r.shape, r.dtype)),
            f"result {r.name}" if r.kind == "result" else r.name,
            f"needed by {', '.join(r.needed_by)}" if r.name != f"for {r.needed_by[0]}" else "",
            "" if r.source is None else repr(r.source),
        )
        for r in found
    ]
    widths = [max([len(row[k]) for row in rows], default=0) for k in range(4)]
    for row in rows:
        first = row[0].rjust(widths[0])
        rest = [text.ljust(w) for text, w in zip(row[1:4], widths[1:], strict=True) if w]
        print("  " + "  ".join([first, *rest, row[4]]).rstrip())


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def _size(n: float) -> str:
    """Bytes, for people."""
    if n < 10_000:
        return f"{n:.0f} bytes"
    power = min(3, int(np.log10(n)) // 3)
    return f"{n / 1000**power:.3g} {('', 'kB', 'MB', 'GB')[power]}"
