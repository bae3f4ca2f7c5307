"""The text of a module: imports, constants, helper functions, and expressions for plain values.

Small arrays are literals where they are used; larger ones stand above the functions, up to some
length as numbers, beyond that as text in base 64. All give back every bit.
"""

from __future__ import annotations

import ast
import base64
import builtins
import importlib
import keyword
import math
import sys
import zlib
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, Final

import numpy as np

from .layout import WIDTH
from .unparsing import expression, statements

__all__ = ["Module", "Names", "NoTextError", "parsed"]

_INLINE: Final = 9
"""Arrays of so many elements are written where they are used."""
_NUMBERS: Final = 400
"""Arrays of so many elements are written as numbers; longer ones in base 64."""


class NoTextError(Exception):
    """A value or a function that cannot be written down; the message says why."""


def parsed(text: str) -> ast.expr:
    """An expression."""
    return ast.parse(text, mode="eval").body


class Names:
    """Names that are taken once each."""

    def __init__(self) -> None:
        self.taken = {*keyword.kwlist, *dir(builtins), "np", "_"}
        self.last: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """The name, or one with a number."""
        if not wanted.isidentifier():
            wanted = "x"
        name, n = wanted, self.last.get(wanted, 1)
        while name in self.taken:
            n += 1
            name = f"{wanted}_{n}"
        self.last[wanted] = n
        self.taken.add(name)
        return name


class Module:
    """Imports, constants and helper functions, in the order in which they were asked for."""

    def __init__(self) -> None:
        self.names = Names()
        self.imports: dict[str, None] = {}
        self.constants: list[str] = []
        self.helpers: dict[str, list[str]] = {}
        self.arrays: dict[tuple[Any, ...], str] = {}
        self.modules: dict[str, str] = {}

    # Values.

    def value(self, value: Any) -> ast.expr:
        """An expression for a plain value."""
        if value is None or value is Ellipsis or type(value) in (bool, str, bytes):
            return ast.Constant(value)
        if type(value) in (int, float, complex):
            return self.number(value)
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return ast.Call(self.dtype(value.dtype), [self.number(value.item())], [])
        if isinstance(value, np.dtype):
            return ast.Call(self.numpy("dtype"), [self.dtype(value)], [])
        if isinstance(value, slice):
            parts = [self.value(v) for v in (value.start, value.stop, value.step)]
            return ast.Call(ast.Name("slice", ast.Load()), parts, [])
        if type(value) is tuple:
            return ast.Tuple([self.value(v) for v in value], ast.Load())
        if type(value) is list:
            return ast.List([self.value(v) for v in value], ast.Load())
        if isinstance(value, Enum):
            return self.value(value.value)
        raise NoTextError(f"{value!r} cannot be written down")

    def numpy(self, name: str) -> ast.expr:
        """`np.name`."""
        self.imports["import numpy as np"] = None
        return parsed(f"np.{name}")

    def dtype(self, dtype: np.dtype[Any]) -> ast.expr:
        """`np.float64`."""
        if dtype.kind not in "fciub" or getattr(np, dtype.type.__name__, None) is not dtype.type:
            raise NoTextError(f"the dtype {dtype} cannot be written down")
        return self.numpy("bool" if dtype.kind == "b" else dtype.type.__name__)

    def number(self, value: Any) -> ast.expr:
        """A Python number."""
        if type(value) is complex:
            imag = ast.Constant(complex(0, abs(value.imag)))
            plain = math.isfinite(value.real) and math.isfinite(value.imag)
            if plain and value.real == 0 and math.copysign(1, value.real) > 0:
                return imag if math.copysign(1, value.imag) > 0 else self._complex(value)
            return self._complex(value)
        if type(value) is float and not math.isfinite(value):
            text = "nan" if value != value else "inf"
            found = self.numpy(text)
            return ast.UnaryOp(ast.USub(), found) if value < 0 else found
        if type(value) in (int, float) and math.copysign(1, value) < 0:
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
        return ast.Constant(value)

    def _complex(self, value: complex) -> ast.expr:
        parts = [self.number(value.real), self.number(value.imag)]
        return ast.Call(ast.Name("complex", ast.Load()), parts, [])

    def array(self, x: np.ndarray[Any, Any]) -> ast.expr:
        """An array: a call that makes it, a literal, or the name of a constant."""
        x = np.asarray(x)
        kind = self.dtype(x.dtype)
        if not x.dtype.isnative:
            x = x.astype(x.dtype.newbyteorder("="))
        plain = x.dtype in (np.float64, np.complex128, np.int64, np.bool_)
        found = self._made(x, kind)
        if found is not None:
            return found
        if x.size <= _INLINE:
            return self._literal(x, kind, plain)
        key = (x.shape, x.dtype.str, x.tobytes())
        name = self.arrays.get(key)
        if name is None:
            name = self.arrays[key] = self.names.new(f"CONSTANT_{len(self.arrays) + 1}")
            self.constants.append(self._constant(name, x, kind, plain))
        return ast.Name(name, ast.Load())

    def _made(self, x: np.ndarray[Any, Any], kind: ast.expr) -> ast.expr | None:
        """A call of zeros, full, arange or eye, where that gives the array."""
        if x.size < 2:
            return None
        shape = self.value(x.shape[0] if x.ndim == 1 else x.shape)
        first, short = x.flat[0].item(), x.dtype == np.float64
        extra = [] if short else [kind]
        if np.array_equal(x, np.full(x.shape, first, x.dtype)) and not np.any(np.signbit(x.real)):
            if first in (0, 1) and type(first) is not bool:
                return ast.Call(self.numpy("ones" if first else "zeros"), [shape, *extra], [])
            return ast.Call(
                self.numpy("full"), [shape, self.value(first), *([] if short else [kind])], []
            )
        if x.ndim == 1 and x.dtype.kind == "i" and np.array_equal(x, np.arange(x.size)):
            keywords = [] if x.dtype == np.int64 else [ast.keyword("dtype", kind)]
            return ast.Call(self.numpy("arange"), [ast.Constant(x.size)], keywords)
        is_unit = x.ndim == 2 and x.dtype.kind == "f" and np.array_equal(x, np.eye(*x.shape))
        if is_unit and not np.any(np.signbit(x)):
            sizes = [ast.Constant(n) for n in x.shape[: 1 + (x.shape[0] != x.shape[1])]]
            keywords = [] if short else [ast.keyword("dtype", kind)]
            return ast.Call(self.numpy("eye"), list(sizes), keywords)
        return None

    def _literal(self, x: np.ndarray[Any, Any], kind: ast.expr, plain: bool) -> ast.expr:
        if not x.size and x.ndim != 1:
            return ast.Call(self.numpy("zeros"), [self.value(x.shape), kind], [])
        keywords = [] if plain and x.size else [ast.keyword("dtype", kind)]
        return ast.Call(self.numpy("array"), [self._nested(x.tolist())], keywords)

    def _nested(self, value: Any) -> ast.expr:
        if isinstance(value, list):
            return ast.List([self._nested(v) for v in value], ast.Load())
        return self.value(value)

    def _constant(self, name: str, x: np.ndarray[Any, Any], kind: ast.expr, plain: bool) -> str:
        """The text of an array above the functions."""
        if x.size <= _NUMBERS:
            text = f"{name} = {expression(self._literal(x, kind, plain))}"
            return text if len(text) <= WIDTH else _filled(text)
        self.imports["import base64"] = None
        self.imports["import zlib"] = None
        raw = base64.b64encode(zlib.compress(np.ascontiguousarray(x).tobytes(), 9)).decode()
        parts = [raw[i : i + 90] for i in range(0, len(raw), 90)]
        data = self.names.new(f"{name}_DATA")
        lines = [f"{data} = (", *[f'    "{p}"' for p in parts], ")"]
        if len(parts) == 1:
            lines = [f'{data} = "{raw}"']
        packed = f"np.frombuffer(zlib.decompress(base64.b64decode({data})), {expression(kind)})"
        shape = f".reshape({', '.join([str(n) for n in x.shape])})" if x.ndim != 1 else ""
        if len(name) + 3 + len(packed) + len(shape) <= WIDTH:
            return "\n".join([*lines, f"{name} = {packed}{shape}"])
        return "\n".join([*lines, f"{name} = {packed}", f"{name} = {name}{shape}"])

    # Names of others.

    def of_module(self, module: ModuleType) -> ast.expr:
        """The name of a module, which is imported."""
        name = module.__name__
        if name == "numpy" or name.startswith("numpy."):
            self.imports["import numpy as np"] = None
            return parsed("np" + name[5:])
        parent, _, last = name.rpartition(".")
        if name.split(".")[0] == "scipy" and parent:
            return parsed(self._imported(parent, last))
        if name.split(".")[0] in sys.stdlib_module_names:
            self.imports[f"import {name}"] = None
            return parsed(name)
        raise NoTextError(f"the module {name} would have to be imported")

    def _imported(self, parent: str, last: str) -> str:
        """The name of an imported module; another one where the user has that for something."""
        name = self.modules.get(last)
        if name is None:
            name = self.modules[last] = self.names.new(last)
            more = "" if name == last else f" as {name}"
            self.imports[f"from {parent} import {last}{more}"] = None
        return name

    def attribute(self, module: ModuleType, name: str) -> ast.expr:
        """`module.name`."""
        return ast.Attribute(self.of_module(module), name, ast.Load())

    def path_of(self, value: Any) -> ast.expr:
        """The dotted name of a function or class of Python, NumPy or SciPy."""
        name = getattr(value, "__name__", "")
        if isinstance(value, type) and issubclass(value, np.generic):
            return self.dtype(np.dtype(value))
        if getattr(builtins, name, self) is value:
            return ast.Name(name, ast.Load())
        owner = getattr(value, "__module__", None) or ""
        if isinstance(value, np.ufunc) or owner.split(".")[0] in ("numpy", "scipy"):
            found = _places().get(id(value))
            if found is not None:
                return self.attribute(*found)
        if owner.lstrip("_") == "operator" or owner.split(".")[0] in sys.stdlib_module_names:
            public = owner.lstrip("_")
            if getattr(importlib.import_module(public), name, self) is value:
                return self.attribute(importlib.import_module(public), name)
        bound = getattr(value, "__self__", None)
        if bound is not None and (isinstance(bound, np.ufunc) or id(bound) in _places()):
            return ast.Attribute(self.path_of(bound), name, ast.Load())
        if id(value) in _places():
            return self.attribute(*_places()[id(value)])
        raise NoTextError(f"{value!r} cannot be written down")

    def define(self, name: str, node: ast.FunctionDef) -> None:
        """Add a helper function."""
        try:
            self.helpers[name] = statements([node])
        except TypeError as error:
            raise NoTextError(str(error)) from error


_LIBRARIES: Final = (
    "numpy", "numpy.linalg", "numpy.fft", "scipy.special", "scipy.linalg", "scipy.fft",
    "scipy.signal", "scipy.ndimage", "scipy.interpolate", "scipy.stats", "scipy.integrate",
    "scipy.special._ufuncs", "numpy.lib.stride_tricks", "numpy.lib.array_utils",
    "scipy.linalg.lapack",
)  # fmt: skip


def _places() -> dict[int, tuple[ModuleType, str]]:
    """The public place of each function of the libraries that are imported already."""
    return _places_in(tuple([name for name in _LIBRARIES if name in sys.modules]))


@cache
def _places_in(libraries: tuple[str, ...]) -> dict[int, tuple[ModuleType, str]]:
    found: dict[int, tuple[ModuleType, str]] = {}
    for name in libraries:
        module = sys.modules[name]
        for key, value in list(vars(module).items()):
            if callable(value) and (not key.startswith("_") or name.endswith("_ufuncs")):
                found.setdefault(id(value), (module, key))
    return found


def _filled(text: str) -> str:
    """Numbers in lines as full as they can be, which no formatter touches."""
    head, rest = text.split("(", 1)
    words = rest.split(" ")
    lines, line = [head + "("], "   "
    for w in words:
        if len(line) + 1 + len(w) > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {w}"
    last = line[: line.rindex(")")]
    return "\n".join([*lines, last.rstrip(), ")  # fmt: skip"])
