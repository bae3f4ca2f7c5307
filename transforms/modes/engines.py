"""All engines there are: this fills the table of modes."""

from __future__ import annotations

from .complex_step import COMPLEX_STEP
from .compressed import SPARSE
from .exact import FORWARD, REVERSE
from .finite import FINITE
from .formulas import SYMBOLIC
from .series import TAYLOR
from .table import add_mode

__all__ = ["ENGINES"]

ENGINES = (FORWARD, REVERSE, FINITE, COMPLEX_STEP, SYMBOLIC, TAYLOR, SPARSE)

for _engine in ENGINES:
    add_mode(_engine)
