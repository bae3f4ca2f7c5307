"""Pytrees: nested containers of arrays, their leaves and their structure."""

from .core.tree import *  # noqa: F403  # its __all__ is the list of functions
from .core.tree import __all__ as __all__
