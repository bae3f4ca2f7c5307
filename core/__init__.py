"""The core: programs, tracing, primitives with their rules, evaluation. It knows no transformation.

Read in this order: `tracing.py`, `rules.py`, `primitives/elementwise.py`, `ir.py`,
`array_tracer.py`.
"""

from . import arrays, errors, primitives, tree
from .array_tracer import ArrayTracer
from .aval import ShapedArray, aval_of
from .check import check_program
from .ir import Atom, Equation, Literal, Program, Var, evaluate
from .tracing import Primitive, Trace, Tracer, bind

__all__ = [
    "ArrayTracer",
    "Atom",
    "Equation",
    "Literal",
    "Primitive",
    "Program",
    "ShapedArray",
    "Trace",
    "Tracer",
    "Var",
    "arrays",
    "aval_of",
    "bind",
    "check_program",
    "errors",
    "evaluate",
    "primitives",
    "tree",
]
