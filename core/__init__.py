"""The core: programs, tracing, primitives with their rules, evaluation. It knows no transformation.

What is named here is what those who extend wengert need: see docs/extending.md. To read the source,
read in this order: `tracing.py`, `rules.py`, `primitives/elementwise.py`, `ir.py`,
`array_tracer.py`.
"""

from . import arrays, errors, primitives, tree
from .array_tracer import ArrayTracer
from .aval import ShapedArray, aval_of
from .check import check_program
from .dispatch import implements, implements_ufunc
from .ir import Atom, Equation, Literal, Program, Var, evaluate
from .rules import (
    align_batch,
    bilinear,
    elementwise,
    lane_by_lane,
    linear,
    reducer,
    shape_by_sample,
    unbroadcast,
    variadic,
    zero_derivative,
)
from .source import Source
from .storage import current
from .tracing import Every, Primitive, Together, Trace, Tracer, bind

__all__ = [
    "ArrayTracer",
    "Atom",
    "Equation",
    "Every",
    "Literal",
    "Primitive",
    "Program",
    "ShapedArray",
    "Source",
    "Together",
    "Trace",
    "Tracer",
    "Var",
    "align_batch",
    "arrays",
    "aval_of",
    "bilinear",
    "bind",
    "check_program",
    "current",
    "elementwise",
    "errors",
    "evaluate",
    "implements",
    "implements_ufunc",
    "lane_by_lane",
    "linear",
    "primitives",
    "reducer",
    "shape_by_sample",
    "tree",
    "unbroadcast",
    "variadic",
    "zero_derivative",
]
