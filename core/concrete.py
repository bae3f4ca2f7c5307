"""What Python asks of a tracer: bool, float, int, an index, text, a copy.

Wherever a concrete value exists, Python gets it; elsewhere an error says why there is none.
`conversions.py` tells wanted conversions from those that C code makes unasked.
"""

from __future__ import annotations

import operator
import sys
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from .aval import Array
from .conversions import check_scalar, is_in_arange, no_concrete_value, refuse_hidden_float
from .errors import ArrayConversionError, ConcretizationError
from .storage import current, twin
from .tracing import ClosedTrace, Tracer

__all__ = ["ConcreteTracer"]


class ConcreteTracer(Tracer):
    """A tracer that answers Python with its concrete value."""

    __slots__ = ()

    def __copy__(self) -> Array:
        return twin(self)

    def __deepcopy__(self, memo: Any) -> Array:
        return twin(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise ArrayConversionError(
            "a traced value cannot be pickled, because its trace would be lost.",
            got=repr(self),
            fix="pickle plain values, outside the transformed function",
        )

    def __bool__(self) -> bool:
        if self.aval.size != 1:
            check_scalar(self, "the truth value (if, while, and, or, not)")
        return bool(self._value("the truth value (if, while, and, or, not)", "truth"))

    def __float__(self) -> float:
        return float(self._number("float", sys._getframe(1)))

    def __int__(self) -> int:
        return int(self._number("int", sys._getframe(1)))

    def __complex__(self) -> complex:
        return complex(self._number("complex", sys._getframe(1)))

    def __index__(self) -> int:
        return operator.index(self._value("use as an index", "value"))

    def item(self, *args: Any) -> Any:
        """The concrete value as a Python number."""
        return np.asarray(self._value("item()")).item(*args)

    def tolist(self) -> Any:
        """The concrete value as nested lists."""
        return np.asarray(self._value("tolist()")).tolist()

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        return format(self._value("a format with a specification"), spec)

    def __repr__(self) -> str:
        x = current(self)
        return self.describe() if x is self else f"<writable {x!r}>"

    def __str__(self) -> str:
        return repr(self)

    def describe(self) -> str:
        """The text for a value that was not written to."""
        return f"<traced {self.aval!r} in {self._trace!r}>"

    def _number(self, kind: str, frame: FrameType) -> Any:
        """The one concrete number, for `kind(x)` in the code that `frame` runs."""
        if self.decides and self.primal is None and is_in_arange():
            return np.asarray(self._value("an end of np.arange", "value")).item()
        if not isinstance(self._trace, ClosedTrace):
            refuse_hidden_float(self, frame, kind)
        value = self._value(f"{kind}()", "int" if kind == "int" and self.aval.size == 1 else None)
        check_scalar(self, f"{kind}()")
        return np.asarray(value).item()

    def _value(self, what: str, decision: str | None = None) -> Array:
        """The concrete value, for Python's use; refused after the trace has ended.

        A `decision` ("truth", "int" or "value") is what the course of the function depends on.
        """
        if isinstance(self._trace, ClosedTrace):
            self._trace.refuse(self, f"{what} was asked of")
        x = current(self)
        if not isinstance(x, ConcreteTracer):
            return x
        try:
            return x.agreed() if decision is None else x.decided(decision)
        except ConcretizationError:
            remedy = "" if decision is None else x.remedy()
            no_concrete_value(self, what, x.why_not_concrete(), remedy)

    def why_not_concrete(self) -> str:
        """Why there is no one concrete value, as the end of a sentence."""
        return "it stands for any value of its type."
