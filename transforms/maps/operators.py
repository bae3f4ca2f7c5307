"""What linear maps are made of: recorded derivatives, matrices, and lazy combinations of these.

An `Operator` goes from a `Space` to a `Space`: `push` applies it to leaves, `pull` its transpose.
The transpose is the plain one, <ct, A t> = <A^T ct, t> with <a, b> = Re(sum(a b)), so that it
exists for maps that are linear over the reals alone. All operators are tree nodes, whose leaves are
the arrays that the map depends on. Users see `linear_map.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from ...core import tree
from ...core.aval import Array, ShapedArray, aval_of
from ...core.errors import ShapeError
from ...core.ir import Program, evaluate
from ...core.primitives.elementwise import astype
from ..backward import backward_pass
from ..linear import LinearTrace, LinearTracer, Tape, is_variable, pushforward
from ..tape_program import to_program
from .spaces import Space

__all__ = [
    "Composed",
    "Conjugated",
    "FromMatrix",
    "Identity",
    "Operator",
    "Real",
    "Recorded",
    "Scaled",
    "Summed",
    "Transposed",
    "Zero",
    "from_parts",
    "to_parts",
]

Leaves = Sequence[Array]


class Operator:
    """A linear map of leaves, with a formula to print."""

    rank: int = 3
    """How strongly the formula binds: 1 a sum, 2 a product, 3 a name."""

    def __init__(self, domain: Space, codomain: Space) -> None:
        self.domain = domain
        self.codomain = codomain

    @property
    def formula(self) -> str:
        """The map as one would write it."""
        raise NotImplementedError(f"{type(self).__name__} must say its formula")

    def push(self, xs: Leaves) -> list[Array]:
        """Apply the map to leaves of the domain's types; the results have the codomain's."""
        raise NotImplementedError(f"{type(self).__name__} must say what it does")

    def pull(self, cts: Leaves) -> list[Array]:
        """Apply the transposed map."""
        raise NotImplementedError(f"{type(self).__name__} must say what its transpose does")

    def split(self) -> tuple[Iterable[Any], Hashable]:
        """Children and the rest, as a tree node."""
        raise NotImplementedError(f"{type(self).__name__} must say what it consists of")

    @classmethod
    def join(cls, static: Any, children: Sequence[Any]) -> Operator:
        """The operator of these parts."""
        return cls(*children, *static)

    def within(self, rank: int) -> str:
        """The formula, in brackets where what is around it binds stronger."""
        return self.formula if self.rank >= rank else f"({self.formula})"


class Recorded(Operator):
    """A linear program: as a tape, as the program with the residuals in front of its inputs, or
    both; each is made of the other when it is needed.
    """

    def __init__(
        self,
        name: str,
        domain: Space,
        codomain: Space,
        *,
        tape: Tape | None = None,
        outputs: Sequence[int | None] = (),
        program: Program | None = None,
        residuals: Sequence[Any] = (),
    ) -> None:
        super().__init__(domain, codomain)
        self.name = name
        self.rank = 2 if " " in name else 3  # `D f` is written as a product
        self.tape = tape
        self.outputs = tuple(outputs)
        self.program = program
        self.residuals = list(residuals)

    @property
    def formula(self) -> str:
        return self.name

    def push(self, xs: Leaves) -> list[Array]:
        found = pushforward(self.recorded(), list(xs), self.outputs)
        return [
            np.zeros(aval.shape, aval.dtype)[()] if y is None else astype(y, aval.dtype)
            for y, aval in zip(found, self.codomain.avals, strict=True)
        ]

    def pull(self, cts: Leaves) -> list[Array]:
        tape, avals = self.recorded(), self.domain.avals
        return backward_pass(tape, len(avals), self.outputs, cts, avals, once=False)

    def recorded(self) -> Tape:
        """The tape."""
        if self.tape is None:
            assert self.program is not None
            self._check_residuals(self.program)
            avals = self.domain.avals
            trace = LinearTrace(self.name)
            try:
                xs = [
                    LinearTracer(trace, n, aval)
                    for n, aval in zip(trace.variables(len(avals)), avals, strict=True)
                ]
                outs = evaluate(self.program, *self.residuals, *xs)
            finally:
                trace.close()
            self.tape = trace.tape
            self.outputs = tuple([y.index if is_variable(y, trace.tape) else None for y in outs])
        return self.tape

    def _check_residuals(self, program: Program) -> None:
        for var, x in zip(program.inputs, self.residuals, strict=False):
            if aval_of(x).shape != var.aval.shape:
                raise ShapeError(
                    f"LinearMap: {self.name} is not one map, but a batch of them.",
                    got=f"{aval_of(x)!r} where one map has {var.aval!r}",
                    fix="apply it under vmap: wg.vmap(lambda L, t: L(t))(maps, tangents)",
                )

    def split(self) -> tuple[Iterable[Any], Hashable]:
        if self.program is None:
            assert self.tape is not None
            flat = to_program(
                self.tape,
                self.domain.avals,
                self.outputs,
                self.codomain.avals,
                name=self.name,
                in_tree=tree.structure((0,) * len(self.domain.avals)),
                out_tree=tree.structure((0,) * len(self.codomain.avals)),
            )
            inputs = [*[v for v, _ in flat.constants], *flat.inputs]
            self.program = Program(inputs, flat.equations, flat.outputs, name=self.name)
            self.residuals = [x for _, x in flat.constants]
        return self.residuals, (self.name, self.domain, self.codomain, self.program)

    @classmethod
    def join(cls, static: Any, children: Sequence[Any]) -> Operator:
        name, domain, codomain, program = static
        return cls(name, domain, codomain, program=program, residuals=children)


class FromMatrix(Operator):
    """A matrix, on flat vectors."""

    def __init__(self, matrix: Array, domain: Space, codomain: Space) -> None:
        super().__init__(domain, codomain)
        self.matrix = matrix

    @property
    def formula(self) -> str:
        return "matrix"

    def push(self, xs: Leaves) -> list[Array]:
        return self.codomain.unflat(self.checked() @ self.domain.flat(xs))

    def pull(self, cts: Leaves) -> list[Array]:
        return self.domain.unflat(self.codomain.flat(cts) @ self.checked())

    def checked(self) -> Array:
        """The matrix, if it is one, and not a stack of them."""
        aval = aval_of(self.matrix)
        if aval.shape != (self.codomain.size, self.domain.size):
            raise ShapeError(
                "LinearMap: the matrix is not one map, but a batch of them.",
                got=repr(aval),
                needed=f"({self.codomain.size}, {self.domain.size})",
                fix="apply it under vmap: wg.vmap(lambda L, t: L(t))(maps, tangents)",
            )
        return self.matrix

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (self.matrix,), (self.domain, self.codomain)


class Identity(Operator):
    """What leaves vectors as they are."""

    @property
    def formula(self) -> str:
        return "identity"

    def push(self, xs: Leaves) -> list[Array]:
        return list(xs)

    def pull(self, cts: Leaves) -> list[Array]:
        return list(cts)

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (), (self.domain, self.codomain)


class Zero(Operator):
    """What makes zero of every vector."""

    @property
    def formula(self) -> str:
        return "zero"

    def push(self, xs: Leaves) -> list[Array]:
        return self.codomain.zeros()

    def pull(self, cts: Leaves) -> list[Array]:
        return self.domain.zeros()

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (), (self.domain, self.codomain)


class Composed(Operator):
    """One operator after another: `parts[0]` is applied last."""

    rank = 2

    def __init__(self, *parts: Operator) -> None:
        super().__init__(parts[-1].domain, parts[0].codomain)
        self.parts = parts

    @property
    def formula(self) -> str:
        return " @ ".join([part.within(2) for part in self.parts])

    def push(self, xs: Leaves) -> list[Array]:
        found = list(xs)
        for part in reversed(self.parts):
            found = part.push(found)
        return found

    def pull(self, cts: Leaves) -> list[Array]:
        found = list(cts)
        for part in self.parts:
            found = part.pull(found)
        return found

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return self.parts, ()


class Summed(Operator):
    """A sum of operators."""

    rank = 1

    def __init__(self, *parts: Operator) -> None:
        super().__init__(parts[0].domain, parts[0].codomain)
        self.parts = parts

    @property
    def formula(self) -> str:
        text = self.parts[0].within(1)
        for part in self.parts[1:]:
            term = part.within(1)
            text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
        return text

    def push(self, xs: Leaves) -> list[Array]:
        return _added([part.push(xs) for part in self.parts])

    def pull(self, cts: Leaves) -> list[Array]:
        return _added([part.pull(cts) for part in self.parts])

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return self.parts, ()


def _added(terms: Sequence[list[Array]]) -> list[Array]:
    total = terms[0]
    for term in terms[1:]:
        total = [a + b for a, b in zip(total, term, strict=True)]
    return total


class Scaled(Operator):
    """A number times an operator. A complex number makes complex vectors of real ones."""

    rank = 2

    def __init__(self, factor: Array, part: Operator, complex_factor: bool) -> None:
        codomain = part.codomain
        if complex_factor:
            codomain = Space(codomain.treedef, [_complexified(v) for v in codomain.avals])
        super().__init__(part.domain, codomain)
        self.factor = factor
        self.part = part
        self.complex_factor = complex_factor

    @property
    def formula(self) -> str:
        c, inner = self.factor, self.part.within(2)
        if not isinstance(c, float | int | complex | np.number):
            return f"scalar * {inner}"
        return f"-{inner}" if c == -1 else f"{c:.6g} * {inner}"

    def push(self, xs: Leaves) -> list[Array]:
        return [
            self.scalar(aval) * y
            for y, aval in zip(self.part.push(xs), self.codomain.avals, strict=True)
        ]

    def pull(self, cts: Leaves) -> list[Array]:
        scaled = [
            astype(self.scalar(aval) * ct, inner.dtype)
            for ct, aval, inner in zip(
                cts, self.codomain.avals, self.part.codomain.avals, strict=True
            )
        ]
        return self.part.pull(scaled)

    def scalar(self, aval: ShapedArray) -> Array:
        """The factor in the dtype of a leaf, which it is not to change."""
        return astype(self.factor, aval.dtype)

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (self.factor, self.part), (self.complex_factor,)


def _complexified(aval: ShapedArray) -> ShapedArray:
    return ShapedArray(aval.shape, np.result_type(aval.dtype, np.complex64))


class Transposed(Operator):
    """The transpose of an operator."""

    def __init__(self, part: Operator) -> None:
        super().__init__(part.codomain, part.domain)
        self.part = part

    @property
    def formula(self) -> str:
        return f"{self.part.within(3)}.T"

    def push(self, xs: Leaves) -> list[Array]:
        return self.part.pull(xs)

    def pull(self, cts: Leaves) -> list[Array]:
        return self.part.push(cts)

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (self.part,), ()


class Conjugated(Operator):
    """x -> conj(A conj(x)): what turns the transpose into the conjugate transpose."""

    def __init__(self, part: Operator) -> None:
        super().__init__(part.domain, part.codomain)
        self.part = part

    @property
    def formula(self) -> str:
        if isinstance(self.part, Transposed):
            return f"{self.part.part.within(3)}.H"
        return f"conj({self.part.formula})"

    def push(self, xs: Leaves) -> list[Array]:
        return [np.conj(y) for y in self.part.push([np.conj(x) for x in xs])]

    def pull(self, cts: Leaves) -> list[Array]:
        return [np.conj(y) for y in self.part.pull([np.conj(ct) for ct in cts])]

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (self.part,), ()


class Real(Operator):
    """An operator on the real and imaginary parts of its vectors: each complex leaf becomes a real
    one with an axis of length 2 in front.
    """

    def __init__(self, part: Operator) -> None:
        super().__init__(_parts_of(part.domain), _parts_of(part.codomain))
        self.part = part

    @property
    def formula(self) -> str:
        return f"{self.part.within(3)}.as_real()"

    def push(self, xs: Leaves) -> list[Array]:
        given = from_parts(xs, self.part.domain)
        return to_parts(self.part.push(given), self.part.codomain, 1.0)

    def pull(self, cts: Leaves) -> list[Array]:
        # Re(sum(a b)) is the sum of products of the real parts, less that of the imaginary parts.
        given = from_parts(cts, self.part.codomain, -1.0)
        return to_parts(self.part.pull(given), self.part.domain, -1.0)

    def split(self) -> tuple[Iterable[Any], Hashable]:
        return (self.part,), ()


def _parts_of(space: Space) -> Space:
    return Space(
        space.treedef,
        [
            ShapedArray((2, *v.shape), v.dtype.type(0).real.dtype) if v.dtype.kind == "c" else v
            for v in space.avals
        ],
    )


def from_parts(xs: Leaves, space: Space, sign: float = 1.0) -> list[Array]:
    """Leaves of the space from their real and imaginary parts."""
    return [
        astype(x[0] + (1j * sign) * x[1], v.dtype) if v.dtype.kind == "c" else x
        for x, v in zip(xs, space.avals, strict=True)
    ]


def to_parts(xs: Leaves, space: Space, sign: float) -> list[Array]:
    """The real and imaginary parts of the leaves of a space; those are multiplied by `sign`."""
    return [
        np.stack([np.real(x), sign * np.imag(x)]) if v.dtype.kind == "c" else x
        for x, v in zip(xs, space.avals, strict=True)
    ]


for _kind in (
    Recorded,
    FromMatrix,
    Identity,
    Zero,
    Composed,
    Summed,
    Scaled,
    Transposed,
    Conjugated,
    Real,
):
    tree.register(_kind, lambda op: op.split(), _kind.join)
