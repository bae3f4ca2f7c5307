"""Every error that wengert raises, in one tree; each class also is the builtin error that fits.

A message has at most five lines: the operation, what it got, what it needed, what to do, and the
user's own source line. `WengertError` puts them together, so that a raise site only states facts.
`source.py` finds the line.
"""

from __future__ import annotations

from .source import Source, user_source

__all__ = [
    "ArrayConversionError",
    "AxisNameError",
    "BatchError",
    "ConcretizationError",
    "ConvergenceError",
    "DtypeError",
    "EscapedTracerError",
    "InPlaceWriteError",
    "LeafTypeError",
    "MissingRuleError",
    "ModeError",
    "NonAnalyticError",
    "NonLinearError",
    "NonScalarOutputError",
    "NonSmoothError",
    "ProgramTypeError",
    "RuleDefinitionError",
    "ShapeError",
    "TreeError",
    "UnsupportedError",
    "WengertError",
]


class WengertError(Exception):
    """The base of all of wengert's errors.

    Args:
        summary: what was asked and why it can't be done, in one sentence.
        got: what came in, as a reader would write it (`f64[2,3]`).
        needed: what would have been right.
        fix: what to do, ready to copy where that is possible.
        source: the user's line; found on the stack when left out.
    """

    def __init__(
        self,
        summary: str,
        *,
        got: str | None = None,
        needed: str | None = None,
        fix: str | None = None,
        source: Source | None = None,
    ) -> None:
        self.source = user_source() if source is None else source
        lines = [summary]
        for label, text in (("got", got), ("needed", needed), ("fix", fix)):
            if text is not None:
                lines.append(f"  {label + ':':<8}" + text.replace("\n", "\n" + " " * 10))
        if self.source is not None:
            lines.append(f"  {'at:':<8}{self.source}")
        super().__init__("\n".join(lines))


class MissingRuleError(WengertError, NotImplementedError):
    """A primitive has no rule for the transform that met it."""


class RuleDefinitionError(WengertError, ValueError):
    """A primitive or a rule is defined twice, or in a form that contradicts itself."""


class UnsupportedError(WengertError, NotImplementedError, TypeError):
    """A NumPy function, or one of its arguments, is not supported on traced values."""


class EscapedTracerError(WengertError, RuntimeError):
    """A traced value was used after the transformation that made it had returned."""


class ConcretizationError(WengertError, TypeError):
    """A Python value (bool, int, float, an index) was asked of a traced value that has none."""


class ConvergenceError(WengertError, RuntimeError):
    """A solver found no solution, or a linear system has none."""


class ArrayConversionError(WengertError, TypeError):
    """NumPy tried to turn a traced value into a plain array, which would lose its derivative."""


class InPlaceWriteError(WengertError, ValueError):
    """A write into something that cannot take it: a traced value into a plain array, or anything
    into a read-only view.

    A ValueError, as NumPy's for read-only arrays; NumPy hides TypeErrors that come up while it
    assigns.
    """


class NonScalarOutputError(WengertError, TypeError):
    """`grad` needs a function with one scalar output."""


class DtypeError(WengertError, TypeError):
    """A dtype that the transformation cannot work with (integers to grad, complex without
    `holomorphic`).
    """


class LeafTypeError(WengertError, TypeError):
    """A leaf of an argument or result tree is not an array or a number."""


class TreeError(WengertError, ValueError, TypeError):
    """Two trees that must have the same structure do not."""


class ShapeError(WengertError, ValueError):
    """A shape, or an axis, does not fit."""


class BatchError(WengertError, ValueError):
    """vmap's axes or sizes do not fit the arguments."""


class AxisNameError(WengertError, NameError):
    """A collective names an axis that no vmap around it has bound."""


class ModeError(WengertError, ValueError):
    """A mode of differentiation that there is not, or that cannot compute what was asked for."""


class NonAnalyticError(WengertError, ValueError):
    """The complex step met an operation that is not analytic: abs, conj, real, a comparison ..."""


class NonSmoothError(WengertError, ValueError):
    """Difference quotients have no limit: the function has a kink, a jump or an edge here."""


class NonLinearError(WengertError, TypeError):
    """A function that must be linear is not."""


class ProgramTypeError(WengertError, TypeError):
    """A program breaks the typing rules of the IR."""
