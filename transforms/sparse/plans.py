"""The plan of a sparse derivative: its pattern, and the passes it takes.

`traced_pattern` reads the pattern off the program of a function, for all values of its floating
point arguments; `point_pattern` off the derivative at a point. Integers, bools and all that is no
array count with their values.

Read next: `evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from ...core import tree
from ...core.aval import SCALAR_AVALS, Array, ShapedArray, aval_of
from ...core.errors import ConcretizationError
from ...core.ir import Program
from ..arguments import Choice
from ..grad import grad
from ..jvp import jvp
from ..linearize import LinearFunction
from ..passes.dead_code import without_dead_code
from ..program import make_program
from . import contraction_rules, control_rules, movement_rules
from .colouring import MANY
from .compression import Compression
from .extra import scipy_sparse
from .index_sets import IndexSets, joined
from .patterns import Flow, flow

__all__ = [
    "Signature",
    "SparsePlan",
    "TracedPattern",
    "gradient_of",
    "point_pattern",
    "traced_pattern",
]

RULE_FILES: Final = (movement_rules, contraction_rules, control_rules)
"""Rules are registered when their files are imported."""

DENSE: Final = 0.5
LARGE: Final = 100_000
"""A pattern with more entries than this, and a larger share than that, is not worth the trouble."""

Matrix = Any
"""A sparse matrix of SciPy."""


class SparsePlan:
    """How a sparse derivative is computed: `print` shows it.

    Attributes:
        pattern: a boolean CSR matrix, True where an entry may be other than zero.
        column_colours: for each column the forward pass that computes it, -1 for none.
        row_colours: for each row the reverse pass that computes it, -1 for none.
        forward_passes: products with the matrix.
        reverse_passes: products with its transpose.
        note: what a user should know about the plan; empty if there is nothing.

    Example:
        >>> import numpy as np, wengert as wg
        >>> f = wg.sparse_jacobian(lambda x: x[1:] * x[:-1])
        >>> print(f.plan(np.ones(100)))
        sparse plan: 99 x 100, 198 entries (2 %), 2 forward passes
    """

    __slots__ = ("compression", "pattern")

    def __init__(self, pattern: Matrix, compression: Compression) -> None:
        self.pattern = pattern
        self.compression = compression

    @property
    def column_colours(self) -> Array:
        """For each column the forward pass that computes it, -1 for none."""
        return self.compression.columns

    @property
    def row_colours(self) -> Array:
        """For each row the reverse pass that computes it, -1 for none."""
        return self.compression.rows

    @property
    def forward_passes(self) -> int:
        """The number of products with the matrix."""
        return self.compression.forward

    @property
    def reverse_passes(self) -> int:
        """The number of products with its transpose."""
        return self.compression.reverse

    @property
    def density(self) -> float:
        """The share of the entries that may be other than zero."""
        m, n = self.pattern.shape
        return self.pattern.nnz / (m * n) if m * n else 0.0

    @property
    def is_wasteful(self) -> bool:
        """True if the matrix is large, and dense enough for an array to be better."""
        many = self.compression.passes > MANY
        return many and self.density > DENSE and self.pattern.nnz > LARGE

    @property
    def note(self) -> str:
        """What a user should know about the plan; empty if there is nothing."""
        if self.density > DENSE and self.pattern.nnz > 1:
            return "more than half of the entries may differ from zero: a dense matrix costs less"
        m, n = self.pattern.shape
        if self.compression.passes > 1 and self.compression.passes >= min(m, n):
            return "no passes are saved: one for each row, or column, is needed"
        return ""

    def __repr__(self) -> str:
        m, n = self.pattern.shape
        kinds = ((self.forward_passes, "forward"), (self.reverse_passes, "reverse"))
        passes = [f"{k} {name} pass{'es' * (k != 1)}" for k, name in kinds if k]
        text = (
            f"sparse plan: {m} x {n}, {self.pattern.nnz} entries ({100 * self.density:.3g} %), "
            f"{' and '.join(passes) or 'no passes'}"
        )
        return text + (f"\nnote: {self.note}" if self.note else "")


def gradient_of(selected: Callable[..., Any], count: int, has_aux: bool) -> Callable[..., Any]:
    """The gradient by all of the arguments, whose Jacobian is the Hessian."""
    return grad(selected, argnums=tuple(range(count)), has_aux=has_aux)


class Signature(NamedTuple):
    """What of a call decides the pattern: the types of floating point leaves, the values of others.

    `by_value` are all leaves whose values count; arrays are copies.
    """

    treedef: tree.TreeDef
    avals: tuple[ShapedArray | None, ...]
    by_value: tuple[Any, ...]

    @classmethod
    def of(cls, args: Sequence[Any], kwargs: dict[str, Any], values: bool) -> Signature:
        """The signature of a call; with `values`, those of floating point leaves count as well."""
        leaves, treedef = tree.flatten((tuple(args), kwargs))
        avals = tuple([_float_aval(x) for x in leaves])
        kept = [x for x, v in zip(leaves, avals, strict=True) if v is None or values]
        copies = tuple([x.copy() if type(x) is np.ndarray else x for x in kept])
        return cls(treedef, avals, copies)

    def fits(self, other: Signature) -> bool:
        """True if a plan for the other call is right for this one."""
        return (
            self.treedef == other.treedef
            and self.avals == other.avals
            and len(self.by_value) == len(other.by_value)
            and all([_same(a, b) for a, b in zip(self.by_value, other.by_value, strict=True)])
        )


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is np.ndarray:
        return a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) in (*SCALAR_AVALS, str, bytes) and bool(a == b)


def _float_aval(x: Any) -> ShapedArray | None:
    """The type of a leaf of floats; None for any other leaf."""
    if type(x) is np.ndarray or type(x) in SCALAR_AVALS:
        aval = aval_of(x)
        return aval if aval.dtype.kind in "fc" else None
    return None


class TracedPattern(NamedTuple):
    """A pattern; whether it holds only for the values that arguments have which are not
    differentiated, as the course of the function depends on them; and whether results are complex.
    """

    matrix: Matrix
    by_values: bool
    is_complex: bool


def traced_pattern(
    operation: str,
    choice: Choice,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    has_aux: bool,
    second: bool,
) -> TracedPattern:
    """The pattern for all values of the arguments, as far as the course of the function does not
    depend on them.
    """
    try:
        return _traced(choice, args, kwargs, has_aux, second, False)
    except ConcretizationError:
        pass  # perhaps only because of values that are the same in the next call
    try:
        return _traced(choice, args, kwargs, has_aux, second, True)
    except ConcretizationError as error:
        reason = str(error).partition("\n")[0]
        raise ConcretizationError(
            f"{operation}: the pattern is read off the program of the function, but there is none, "
            "as the course of the function depends on values.",
            got=reason,
            fix='sparsity="point" reads the pattern off the derivative at each point; or give the '
            "pattern, sparsity=a boolean matrix; or write the function with np.where, wg.cond or "
            "wg.while_loop",
            source=error.source,
        ) from None


def _traced(
    choice: Choice,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    has_aux: bool,
    second: bool,
    values: bool,
) -> TracedPattern:
    leaves, treedef = tree.flatten((tuple(args), kwargs))
    _, chosen, _ = choice.select(args, kwargs)
    differentiated = {id(x) for x in tree.leaves(chosen)}
    avals = [_float_aval(x) for x in leaves]
    if values:
        avals = [v if id(x) in differentiated else None for x, v in zip(leaves, avals, strict=True)]
    tangent_avals = [v for v in map(_float_aval, tree.leaves(chosen)) if v is not None]

    def pushed(given: list[Any], tangents: list[Any]) -> list[Any]:
        rest = iter(given)
        whole = [x if v is None else next(rest) for x, v in zip(leaves, avals, strict=True)]
        now_args, now_kwargs = tree.unflatten(treedef, whole)
        selected, now_chosen, _ = choice.select(now_args, now_kwargs)
        if second:
            selected = gradient_of(selected, len(now_chosen), has_aux)
        chosen_tree = tree.structure(now_chosen)
        dots = iter(tangents)
        t = [None if _float_aval(x) is None else next(dots) for x in tree.leaves(chosen)]
        found = jvp(selected, now_chosen, tree.unflatten(chosen_tree, t), has_aux=has_aux)
        return tree.leaves(found[1])

    program = make_program(pushed)([v for v in avals if v is not None], tangent_avals)
    program = without_dead_code(program)  # many values have tangents that nothing needs
    found = _pattern(program, len(program.inputs) - len(tangent_avals))
    return TracedPattern(found, values, any([v.dtype.kind == "c" for v in program.out_avals]))


def point_pattern(linear: LinearFunction) -> Matrix:
    """The pattern of a derivative at a point: zeros that come from values count, too."""
    return _pattern(linear.program, 0)


def _pattern(program: Program, skipped: int) -> Matrix:
    """What the results of a program depend on, of its inputs after the first ones."""
    sizes = [v.size for v in program.in_avals[skipped:]]
    n, start = sum(sizes), 0
    inputs = [Flow(None)] * skipped
    for size in sizes:
        inputs.append(Flow(IndexSets.identity(n, start, size)))
        start += size
    parts = [
        (f.sets, v.size) for f, v in zip(flow(program, inputs), program.out_avals, strict=True)
    ]
    if not parts or not n:
        return scipy_sparse().csr_array((sum([d for _, d in parts]), n), dtype=bool)
    return joined(n, parts).matrix()
