"""wengert's errors, all in one tree: `from wengert.errors import ShapeError`."""

from .core.errors import *  # noqa: F403  # its __all__ is the list of error classes
from .core.errors import __all__ as __all__
