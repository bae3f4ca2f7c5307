"""SciPy's names, for traced and plain values alike: `import wengert.scipy as wsp`.

Each of SciPy's packages that wengert knows has a module of the same name here, loaded when it is
first used: `wengert.scipy.special`, `wengert.scipy.linalg` and so on. With nothing traced, every
function is SciPy's own. Needs SciPy: `pip install "wengert[scipy]"`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "signal",
    "special",
    "stats",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
