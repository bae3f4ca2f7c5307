"""`to_numpy_source : (a -> b), a -> text`: a function, or its derivative, as NumPy source that runs
without wengert.

The function is traced, its program improved (`../passes/pipeline.py`) and written down.
Read next: `writer.py`.
"""

from __future__ import annotations

import ast
import keyword
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

import numpy as np

from ...core.errors import RuleDefinitionError, UnsupportedError
from ...core.ir import Program, Var
from ...core.source import Source, boundary, user_source
from ...core.tracing import Primitive
from ..arguments import parameters_of, positional_parameters
from ..passes.pipeline import improve
from ..program import make_program
from .control import CONTROL
from .layout import laid_out
from .lowering import lower, without_sources_at
from .module import Module, NoTextError
from .texts import BLOCKS, TEXTS, ufunc_text
from .trees import Kinds, parts, rebuilt
from .writer import Scope, Text, Writer, bare, call, name_of

__all__ = ["define_numpy_source", "parameter_names", "to_numpy_source"]


@boundary
def to_numpy_source(
    fun: Callable[..., Any],
    *args: Any,
    name: str | None = None,
    improved: bool = True,
    comments: bool = True,
) -> str:
    """Write a function, or its derivative, as NumPy source that runs without wengert.

    The text is a module: imports of NumPy (and of SciPy, where the function needs it), constants,
    helper functions, and one function with the same parameters and the same tree of results.
    Variables have the user's names; the user's lines stand above what came of them as comments.
    Arrays that the function closes over are written into the text with every bit; large ones are
    better passed as arguments.

    Args:
        fun: a function of trees of arrays, or a `Program`.
        args: example arguments, of which shapes and dtypes count; the text is for these.
        name: of the function in the text; the function's own when left out.
        improved: with the passes of `staged`, which leave out what is not needed. Without them the
            text follows the program of `make_program` line by line.
        comments: with the user's lines as comments.

    Returns:
        The text, formatted as `ruff format` does with 100 columns.

    Raises:
        UnsupportedError: for a name that is none of Python's.
        MissingRuleError: for an operation that cannot be written down: black boxes
            (`numerical_rule`), and solvers that need values while they run. It names the line.
        ConcretizationError: if the function asks for values, as for `make_program`.

    Example:
        >>> import numpy as np, wengert as wg
        >>> def energy(x):
        ...     return np.sum(np.sin(x) ** 2)
        >>> print(wg.to_numpy_source(wg.grad(energy), np.ones(3), comments=False))
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def grad_energy(x):
            return 2.0 * np.sin(x) * np.cos(x)
        <BLANKLINE>
    """
    caller = user_source()
    program = fun if isinstance(fun, Program) else make_program(fun)(*args)
    chosen = _function_name(_described(fun, program.name)) if name is None else _checked_name(name)
    program = lower(without_sources_at(program, caller))
    if improved:
        program = improve(program)
    return _text(program, fun, chosen, caller, comments)


def _described(fun: Any, name: str) -> str:
    """`grad_loss` for `grad(loss)`."""
    before = []
    while hasattr(fun, "__wrapped__"):
        code = getattr(fun, "__code__", None)
        if fun.__class__ is FunctionType and code is not None:
            found = code.co_qualname.split(".")[0].strip("_")
            before.append("value_and_grad" if found == "gradient_function" else found)
        fun = fun.__wrapped__
    kept = [b for b in before if b != "boundary"]
    return "_".join([*kept, *([] if kept and name.startswith("<lambda>") else [name])])


def _checked_name(name: Any) -> str:
    """The user's name for the function."""
    is_free = isinstance(name, str) and not keyword.iskeyword(name) and name not in _IMPORTED
    if is_free and name.isidentifier():
        return str(name)
    raise UnsupportedError(
        "to_numpy_source: the function in the text cannot have this name.",
        got=f"name={name!r}",
        needed="a name of Python's, other than those of the modules in the text",
    )


_IMPORTED: Final = ("np", "scipy", "base64", "zlib", "math")


def _function_name(wanted: str) -> str:
    """A name for the function in the text."""
    name = "".join([c if c.isalnum() or c == "_" else "_" for c in wanted.split(" at ")[0]])
    name = "_".join([part for part in name.split("_") if part]) or "function"
    if name == "lambda" or not name.isidentifier() or keyword.iskeyword(name):
        name = "function"
    return name


def _text(program: Program, fun: Any, name: str, caller: Source | None, comments: bool) -> str:
    module = Module()
    module.names.taken.add(name)
    writer = Writer(module, _texts(), {**BLOCKS, **CONTROL}, caller, comments)
    kinds: Kinds = {}
    parameters = parameter_names(fun, program)
    if "np" in parameters:
        raise UnsupportedError(
            "to_numpy_source: a parameter is called np, as NumPy is in the text.",
            got=f"{name}({', '.join(parameters)})",
            fix="give the parameter another name",
        )
    module.names.taken.update(parameters)
    inputs: list[ast.expr] = []
    used = {a for e in program.equations for a in e.inputs} | set(program.outputs)
    at = 0
    for p, tree in zip(parameters, program.in_tree.children, strict=True):
        for text, wanted in parts(tree, p, kinds):
            var = program.inputs[at]
            at += 1
            inputs.append(_input(writer, program, var, text, wanted, var in used))
    scope = Scope(writer, program, inputs)
    scope.write()
    leaves = iter([scope.result(a) for a in program.outputs])
    result = rebuilt(program.out_tree, leaves, module, kinds)
    writer.line(f"return {bare(result)}")
    head = laid_out(f"def {name}({', '.join(parameters)}):", 0)
    return _assembled(module, [*head, *writer.lines])


def _input(
    writer: Writer, program: Program, var: Var, text: str, wanted: str, used: bool
) -> ast.expr:
    """The expression for a leaf of the arguments; its line where it needs one."""
    is_number = var.aval.weak_type and var.aval.dtype.kind == "f" and _all_double(program)
    if not used:
        return name_of(text) if text.isidentifier() else ast.parse(text, mode="eval").body
    if text.isidentifier() and not is_number:
        return name_of(text)
    value = ast.parse(text, mode="eval").body
    if is_number:  # as Python's numbers raise errors where NumPy's have infinities
        value = call(writer.module.numpy("float64"), value)
    name = text if text.isidentifier() else writer.names.new(wanted)
    writer.assign(name, value)
    return name_of(name)


def _all_double(program: Program) -> bool:
    """True if all floats have 64 bits: then NumPy's scalars promote as Python's numbers do."""
    avals = [v.aval for e in program.equations for v in e.outputs]
    avals += [v.aval for v in program.inputs] + [v.aval for v, _ in program.constants]
    return all([a.dtype.kind not in "fc" or a.dtype in (np.float64, np.complex128) for a in avals])


def parameter_names(fun: Any, program: Program) -> list[str]:
    """The names of the parameters."""
    n = len(program.in_tree.children)
    known = [] if isinstance(fun, Program) else positional_parameters(parameters_of(fun))
    names: list[str] = []
    for p in known[:n]:
        if p.kind is p.VAR_POSITIONAL:
            names += [f"{p.name}_{i}" for i in range(n - len(names))]
            break
        names.append(p.name)
    names += [f"x{i}" for i in range(len(names), n)]
    return names[:n]


def _assembled(module: Module, function: list[str]) -> str:
    """The text of the whole."""
    imports = sorted(module.imports, key=_import_order)
    blocks: list[str] = []
    standard = [i for i in imports if _import_order(i)[0] == 0]
    libraries = [i for i in imports if _import_order(i)[0] == 1]
    own = [i for i in imports if _import_order(i)[0] == 2]
    head = "\n\n".join(["\n".join(group) for group in (standard, libraries, own) if group])
    if module.constants:
        head += ("\n\n" if head else "") + "\n".join(module.constants)
    if head:
        blocks.append(head)
    blocks += ["\n".join(lines) for lines in module.helpers.values()]
    blocks.append("\n".join(function))
    return "\n\n\n".join(blocks) + "\n"


def _import_order(line: str) -> tuple[int, int, str]:
    root = line.split()[1].split(".")[0]
    group = 1 if root in ("numpy", "scipy") else 0
    if line.startswith("from ") and root not in ("numpy", "scipy", "collections"):
        group = 2
    return group, line.startswith("from "), line


# Primitives.

_DEFINED: dict[Primitive, Callable[..., Any]] = {}


def _texts() -> dict[str, Text]:
    found: dict[str, Text] = {}
    for name, primitive in list(Primitive.registry.items()):
        text = ufunc_text(primitive)
        if text is not None:
            found[name] = text
    found.update(TEXTS)
    for primitive, function in _DEFINED.items():
        found[primitive.name] = _defined(function)
    return found


def _defined(function: Callable[..., Any]) -> Text:
    def text(scope: Scope, e: Any, args: list[ast.expr]) -> ast.expr:
        lifter = scope.writer.lifter
        params = {k: lifter.reference(v, k) for k, v in e.params.items()}
        return lifter.call(function, args, params, e.primitive.name)

    return text


@boundary
def define_numpy_source(primitive: Primitive, function: Callable[..., Any]) -> None:
    """Say what `to_numpy_source` writes for a primitive of your own.

    This is needed where the primitive's `impl` uses more than NumPy, SciPy and Python; otherwise
    the source of `impl` is written.

    Args:
        primitive: the primitive.
        function: computes it with NumPy alone, with the operands and parameters of `impl`. Its
            source, and that of all functions that it calls, is written into the text.

    Raises:
        RuleDefinitionError: if the function cannot be written down.

    Example:
        >>> import numpy as np, wengert as wg
        >>> twice = wg.core.elementwise(
        ...     "doctest_twice", None, 1.0, impl=wg.stop_gradient, dtype=lambda x: x.dtype)
        >>> wg.define_numpy_source(twice, np.positive)
        >>> print(wg.to_numpy_source(twice.bind, np.ones(2), name="f"))
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def f(x0):
            return np.positive(x0)
        <BLANKLINE>
    """
    if not isinstance(primitive, Primitive) or not callable(function):
        raise RuleDefinitionError(
            "define_numpy_source: needs a primitive and a function.",
            got=f"{primitive!r}, {function!r}",
        )
    try:
        Writer(Module(), {}, {}).lifter.reference(function, primitive.name)
    except NoTextError as error:
        raise RuleDefinitionError(
            f"define_numpy_source: the function for {primitive.name!r} cannot be written down.",
            got=str(error),
            needed="a function in a file, of NumPy, SciPy and Python alone",
        ) from None
    _DEFINED[primitive] = function
