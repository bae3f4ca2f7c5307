"""Functions as formulas: `to_sympy`, `to_latex` and `symbolic_derivative`.

The function is traced once, with numbers or arrays of the given shapes, and its program is run on
symbols (`evaluation.py`). So `f` may be any function that `make_program` takes, a derivative too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from ...core import tree
from ...core.errors import DtypeError, ShapeError, TreeError
from ...core.ir import Program, Var
from ...core.printing import subprograms
from ...core.source import boundary, describe_function
from ...core.tracing import Tracer
from ...core.treedef import TreeDef
from ..arguments import parameters_of, positional_parameters
from ..export.lowering import lower
from ..export.numpy_source import parameter_names
from ..export.trees import parts
from ..grad import grad
from ..program import make_program
from .evaluation import evaluate_formulas
from .extra import sympy
from .numbers import objects
from .values import Formula

__all__ = [
    "OWN_RULES",
    "SymbolicDerivative",
    "compiled",
    "primitives_of",
    "symbolic_derivative",
    "to_latex",
    "to_sympy",
    "traced",
]

_SIMPLE: Final = 400
"""Formulas of so many operations are simplified; it takes too long for larger ones."""

OWN_RULES: Final = frozenset(["custom_call", "linear_map", "stop_gradient", "numerical_call"])
"""Operations whose derivative is not that of their formula."""


# Symbols.


def _required(fun: Callable[..., Any]) -> list[Any]:
    """The positional parameters that must be given."""
    known = parameters_of(fun)
    if any([p.kind is p.VAR_POSITIONAL for p in known]):
        raise TreeError(
            f"the formula of {describe_function(fun)}: how many arguments *args stands for is not "
            "known.",
            fix="give an example of each: wg.to_sympy(f, 1.0, 2.0)",
        )
    return [p for p in positional_parameters(known) if p.default is p.empty]


def traced(
    operation: str, fun: Callable[..., Any], args: Sequence[Any]
) -> tuple[Program, list[Formula]]:
    """The program, and the formulas that its inputs stand for."""
    s = sympy(operation)
    if not args and not isinstance(fun, Program):
        args = [1.0] * len(_required(fun))
    leaves, treedef = tree.flatten(tuple(args))
    given = [_given(s, x) for x in leaves]
    samples = [x if g is None else _sample(g) for x, g in zip(leaves, given, strict=True)]
    if isinstance(fun, Program):
        program = fun
        if not args:
            given = [None] * len(program.inputs)
            samples = [np.zeros(v.aval.shape, v.aval.dtype) for v in program.inputs]
    else:
        program = make_program(fun)(*tree.unflatten(treedef, samples))
    given = [g for g, x in zip(given, samples, strict=True) if not tree.is_static_leaf(x)]
    samples = [x for x in samples if not tree.is_static_leaf(x)]
    names = _names(program, parameter_names(fun, program))
    for gap in ("", "_"):
        formulas = [
            _symbols(s, name, var, x, gap) if g is None else g
            for name, var, g, x in zip(names, program.inputs, given, samples, strict=True)
        ]
        made = [v for f, g in zip(formulas, given, strict=True) if g is None for v in f.ravel()]
        symbols = [v for v in made if v.is_Symbol]
        if len(set(symbols)) == len(symbols):
            break  # else the element 1 of x is called as the parameter x1
    return lower(program), formulas


def _given(s: Any, x: Any) -> Formula | None:
    """Formulas of the caller's own in the place of an example, as an array."""
    if isinstance(x, s.MatrixBase | s.NDimArray):
        return np.array(x.tolist(), object)
    if isinstance(x, s.Basic):
        found = np.empty((), object)
        found[()] = x
        return found
    if isinstance(x, np.ndarray) and x.dtype == object:
        return x
    return None


def _sample(formula: Formula) -> Any:
    return np.ones(formula.shape) if formula.shape else 1.0


def _names(program: Program, parameters: Sequence[str]) -> list[str]:
    """A name for each leaf of the arguments; with the parameter's in front where two are alike."""
    found = [
        (p, name)
        for p, child in zip(parameters, program.in_tree.children, strict=True)
        for _, name in parts(child, p, {})
    ]
    plain = [name for _, name in found]
    return [name if plain.count(name) == 1 else f"{p}_{name}" for p, name in found]


def _symbols(s: Any, name: str, var: Var, sample: Any, gap: str) -> Formula:
    """A symbol, or an array of symbols; the numbers themselves for arrays of integers."""
    aval = var.aval
    if aval.dtype.kind not in "fc" and (aval.shape or aval.dtype.kind == "b"):
        if not isinstance(sample, np.ndarray | np.generic | bool):
            raise DtypeError(
                "to_sympy: needs the values of integers, not only their shape.", got=repr(sample)
            )
        return objects(sample)
    assumptions = {"f": {"real": True}, "c": {}}.get(aval.dtype.kind, {"integer": True})
    found = np.empty(aval.shape, object)
    if max(aval.shape, default=0) > 10 and len(aval.shape) > 1:
        gap = "_"
    for i in np.ndindex(aval.shape):
        found[i] = s.Symbol(gap.join([name, *[str(k) for k in i]]), **assumptions)
    return found


# Results.


def _result(s: Any, x: Formula) -> Any:
    """A formula; a matrix or an array of sympy's for an array of them."""
    x = np.asarray(x, object)
    if not x.shape:
        return s.sympify(x[()])
    if x.ndim == 2:
        return s.ImmutableMatrix(*x.shape, list(x.ravel()))
    return s.ImmutableDenseNDimArray(list(x.ravel()), x.shape)


def _simplified(s: Any, formula: Any) -> Any:
    """A simpler form, where it does not take too long."""
    if isinstance(formula, s.MatrixBase | s.NDimArray):
        return formula.applyfunc(lambda v: _simplified(s, v))
    if not isinstance(formula, s.Basic) or formula.count_ops() > _SIMPLE:
        return formula
    return min(s.simplify(formula), formula, key=lambda v: v.count_ops())


def _formulas(
    operation: str, fun: Callable[..., Any], args: Sequence[Any], simplify: bool
) -> tuple[list[Any], TreeDef]:
    s = sympy(operation)
    program, inputs = traced(operation, fun, args)
    found = [_result(s, x) for x in evaluate_formulas(program, inputs)]
    if simplify:
        found = [_simplified(s, x) for x in found]
    return found, program.out_tree


@boundary
def to_sympy(fun: Callable[..., Any], *args: Any, simplify: bool = False) -> Any:
    """The formula that a function computes, as an expression of sympy.

    Args:
        fun: a function of trees of numbers and arrays, or a `Program`.
        args: what to put for its arguments. A float stands for a symbol with the parameter's name,
            an array of floats for an array of symbols (`x0`, `x1`; `A00`, `A01`), both real;
            complex ones without assumptions. A symbol, an expression, or a matrix of sympy stands
            for itself. Arrays of integers are taken as they are. With no arguments each parameter
            is one number.
        simplify: simplify the formulas.

    Returns:
        The result's tree, of expressions for numbers, `Matrix` for arrays of two axes, and `Array`
        for others. Floats in the function become exact numbers where those have the same value.

    Raises:
        ImportError: without sympy: `pip install "wengert[sympy]"`.
        MissingRuleError: for an operation without a symbolic form; it names equation and line.
        ConcretizationError: if the function asks for values, as for `make_program`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wg.to_sympy(lambda x, y: np.exp(-x * x / 2.0) * np.sin(y))
        exp(-x**2/2)*sin(y)
        >>> wg.to_sympy(wg.grad(lambda x: np.sum(x**3)), np.ones(2), simplify=True)
        [3*x0**2, 3*x1**2]
    """
    found, out_tree = _formulas("to_sympy", fun, args, simplify)
    return tree.unflatten(out_tree, found)


@boundary
def to_latex(fun: Callable[..., Any], *args: Any, simplify: bool = True) -> str:
    """The formula that a function computes, in LaTeX.

    Args:
        fun: a function, or a derivative of one.
        args: what to put for its arguments, as for `to_sympy`.
        simplify: simplify the formula first.

    Returns:
        The text, without dollar signs. Names such as `theta` are Greek letters.

    Raises:
        ImportError, MissingRuleError, ConcretizationError: as `to_sympy`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> wave = lambda theta, t: np.sin(theta * t)
        >>> print(wg.to_latex(wg.grad(wave)))
        t \\cos{\\left(t \\theta \\right)}
    """
    s = sympy("to_latex")
    found, out_tree = _formulas("to_latex", fun, args, simplify)
    return str(s.latex(tree.unflatten(out_tree, found)))


# Derivatives.


class SymbolicDerivative:
    """A derivative as a formula, which can be called with numbers and arrays.

    - `expression`: of sympy, simplified; a tuple of them where there are several arguments.
    - `variables`: its symbols, in the order of the function's parameters.
    - `latex`: its text in LaTeX.
    """

    def __init__(self, name: str, variables: Sequence[Any], expression: Any) -> None:
        self.name = name
        self.variables = tuple(variables)
        self.expression = expression
        self._compiled: Callable[..., Any] | None = None

    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
        return str(sympy().latex(self.expression))

    def __call__(self, *args: Any) -> Any:
        if len(args) != len(self.variables):
            raise TreeError(
                f"the derivative of {self.name}: wrong number of arguments.",
                got=f"{len(args)} arguments",
                needed=f"{len(self.variables)}: {', '.join(map(str, self.variables))}",
            )
        if self._compiled is None:
            self._compiled = compiled(self.variables, self.expression)
        return self._compiled(*args)

    def __repr__(self) -> str:
        return str(self.expression)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


def compiled(variables: Sequence[Any], expression: Any) -> Callable[..., Any]:
    """A NumPy function of a formula, or of a tuple of them."""
    s = sympy()
    unsigned = {s.zoo: s.oo}  # an infinity of complex numbers, which NumPy does not have
    if isinstance(expression, tuple):
        expression = tuple([v.xreplace(unsigned) for v in expression])
    else:
        expression = expression.xreplace(unsigned)
    try:
        run = s.lambdify(variables, expression, modules=["scipy", "numpy"])
    except ImportError:
        run = s.lambdify(variables, expression, modules="numpy")

    def call(*args: Any) -> Any:
        numbers = [_number(a) for a in args]
        shape = np.broadcast_shapes(*[np.shape(a) for a in numbers])
        found = run(*numbers)

        def fit(y: Any) -> Any:
            if not isinstance(y, Tracer):
                y = np.asarray(y)
                y = y if y.dtype.kind in "fc" else y.astype(float)
            return np.broadcast_to(y, shape)[()]

        return tuple([fit(y) for y in found]) if isinstance(expression, tuple) else fit(found)

    return call


def _number(x: Any) -> Any:
    """An argument of a formula: a number or an array, of floats or complex numbers."""
    if isinstance(x, Tracer):
        return x
    found = np.asarray(x)
    if found.dtype.kind not in "fciub":
        raise DtypeError("a formula is called with numbers and arrays.", got=repr(x))
    return found[()] if found.dtype.kind in "fc" else found.astype(float)[()]


def primitives_of(program: Program) -> Iterator[str]:
    """The names of all operations, those of programs inside too."""
    for e in program.equations:
        yield e.primitive.name
        for _, inner in subprograms(e.params):
            yield from primitives_of(inner)


@boundary
def symbolic_derivative(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, *, order: int = 1
) -> SymbolicDerivative:
    """The derivative of a function of numbers as a formula.

    Args:
        fun: a function of numbers with a number as its result. A function that works element by
            element is one.
        argnums: the parameter to differentiate by, or several.
        order: how many times.

    Returns:
        An object with the simplified `expression`, its `latex`, and the `variables`. It can be
        called with numbers, and with arrays that broadcast, which NumPy then computes with.

    Raises:
        ImportError: without sympy: `pip install "wengert[sympy]"`.
        MissingRuleError: for an operation without a symbolic form; it names equation and line.
        ShapeError: if the function does not take and give numbers.

    Example:
        >>> import numpy as np, wengert as wg
        >>> d = wg.symbolic_derivative(lambda x: np.log(1.0 + x**2))
        >>> d
        2*x/(x**2 + 1)
        >>> d(np.array([0.0, 1.0, 2.0]))
        array([0. , 1. , 0.8])
    """
    s = sympy("symbolic_derivative")
    operation = f"symbolic_derivative of {describe_function(fun)}"
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    count = len(_required(fun))
    if not count or not all([-count <= i < count for i in numbers]) or not numbers:
        raise ShapeError(
            f"{operation}: argnums={argnums} is out of range.",
            got=f"{count} parameters without a default",
        )
    if isinstance(order, bool) or not isinstance(order, int) or order < 0:
        raise DtypeError(f"{operation}: order must be an int, 0 or more.", got=repr(order))
    program, inputs = traced(operation, fun, ())
    if [v.aval.shape for v in program.outputs] != [()] or program.out_tree.kind is not None:
        raise ShapeError(
            f"{operation}: needs a function whose result is one number.",
            got=", ".join([repr(v.aval) for v in program.outputs]),
            fix="for arrays use wg.to_sympy(wg.grad(f), x)",
        )
    variables = [x[()] for x in inputs]
    own = OWN_RULES & set(primitives_of(make_program(fun)(*[1.0] * count)))
    found = []
    for i in numbers:
        formula = None
        if not own:
            formula = s.diff(evaluate_formulas(program, inputs)[0][()], variables[i], order)
        # sympy has no derivative of floor and such, and a generalised one of sign.
        if formula is None or formula.has(s.Derivative, s.Subs, s.DiracDelta):
            g = fun
            for _ in range(order):
                g = grad(g, i % count)
            formula = evaluate_formulas(*traced(operation, g, variables))[0][()]
        found.append(_simplified(s, formula))
    expression = found[0] if isinstance(argnums, int) else tuple(found)
    return SymbolicDerivative(describe_function(fun), variables, expression)
