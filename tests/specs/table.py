"""The form of the spec table: samples, rows, cases, and what samples are drawn with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

Array = Any
Rng = np.random.Generator
Draw = Callable[[Rng], Array]


@dataclass(frozen=True)
class Sample:
    """Arguments to check a function at.

    `derivative`: it is smooth there. `warns`: NumPy itself warns there.
    """

    name: str
    draws: tuple[Draw, ...]
    static: Mapping[str, Any] = field(default_factory=dict)
    derivative: bool = True
    warns: bool = False


@dataclass(frozen=True)
class Spec:
    """A row of the table.

    - `covers`: the NumPy functions that it stands for.
    - `order`: how often it can be differentiated (0: the derivative is zero).
    - `traceable`: it works without concrete values, in vmap and make_program.
    - `ulps`: how far the value may be from NumPy's.
    - `tolerance`: a factor for ill-conditioned derivatives.
    - `of_numpy`: it is called differently through `numpy` and `wengert.numpy`; else once is enough.
    - `leads`: the other arguments can be traced only where the first is ("always"), or through
      `wengert.numpy` ("numpy": NumPy dispatches on the first alone).
    """

    name: str
    call: Callable[..., Any]
    samples: tuple[Sample, ...]
    covers: tuple[Any, ...] = ()
    order: int = 3
    traceable: bool = True
    ulps: float = 4
    tolerance: float = 1
    leads: str = ""
    of_numpy: bool = True


@dataclass(frozen=True)
class Case:
    """One function at one sample."""

    spec: Spec
    sample: Sample

    def __str__(self) -> str:
        return f"{self.spec.name}-{self.sample.name}"

    @property
    def is_single(self) -> bool:
        """Some argument has single precision."""
        args = [np.asarray(a).dtype.char for a in self.draw(np.random.default_rng(0))]
        return any(k in "efF" for k in args)

    def function(self, module: Any) -> Callable[..., Any]:
        """The function of the arrays alone, through `numpy` or `wengert.numpy`."""
        return partial(self.spec.call, module, **self.sample.static)

    def draw(self, rng: Rng) -> tuple[Array, ...]:
        """Arguments."""
        return tuple([draw(rng) for draw in self.sample.draws])

    def differentiable(self, args: Sequence[Array]) -> list[int]:
        """The positions of the arguments that are floats or complex numbers."""
        return [i for i, a in enumerate(args) if np.asarray(a).dtype.kind in "fc"]


# What samples are drawn with.


def real(*shape: int, lo: float = -2.0, hi: float = 2.0, dtype: str = "f8") -> Draw:
    """Uniform between `lo` and `hi`; a NumPy scalar for shape ()."""
    return lambda rng: np.asarray(rng.uniform(lo, hi, shape), dtype)[()]


def cplx(*shape: int, lo: float = -2.0, hi: float = 2.0, dtype: str = "c16") -> Draw:
    """Complex numbers in the upper half plane, away from branch cuts."""
    return lambda rng: np.asarray(
        rng.uniform(lo, hi, shape) + 1j * rng.uniform(0.3, 1.3, shape), dtype
    )[()]


def python(lo: float = -2.0, hi: float = 2.0) -> Draw:
    """A Python float."""
    return lambda rng: float(rng.uniform(lo, hi))


def python_complex(rng: Rng) -> complex:
    """A Python complex number."""
    return complex(rng.uniform(-1, 1), rng.uniform(0.3, 1))


def ints(*shape: int, lo: int = 0, hi: int = 3, dtype: str = "i8") -> Draw:
    """Integers from `lo` to `hi - 1`."""
    return lambda rng: np.asarray(rng.integers(lo, hi, shape), dtype)[()]


def bools(*shape: int) -> Draw:
    """True or False."""
    return lambda rng: np.asarray(rng.random(shape) < 0.5)[()]


def const(x: Any, dtype: Any = None) -> Draw:
    """The same values every time."""
    return lambda rng: np.array(x, dtype)[()] if type(x) not in (float, int, complex) else x


def matrix(*shape: int, dtype: str = "f8") -> Draw:
    """Well-conditioned square matrices, not symmetric."""

    def draw(rng: Rng) -> Array:
        a = rng.uniform(-1, 1, shape)
        if dtype[0] == "c":
            a = a + 1j * rng.uniform(-1, 1, shape)
        return np.asarray(a + 2 * np.eye(shape[-1]), dtype)

    return draw


def positive_definite(*shape: int, dtype: str = "f8") -> Draw:
    """Symmetric (Hermitian) positive definite matrices."""

    def draw(rng: Rng) -> Array:
        a = matrix(*shape, dtype="c16" if dtype[0] == "c" else "f8")(rng)
        return np.asarray(a @ np.swapaxes(a, -1, -2).conj() + np.eye(shape[-1]), dtype)

    return draw


def function(name: str) -> Callable[..., Any]:
    """A `call` for a function of the module, such as "linalg.solve"."""

    def call(module: Any, *arrays: Array, **static: Any) -> Any:
        for part in name.split("."):
            module = getattr(module, part)
        return module(*arrays, **static)

    return call


def of_sequence(name: str) -> Callable[..., Any]:
    """A `call` for a function of one sequence of arrays."""
    return lambda m, *arrays, **static: getattr(m, name)(list(arrays), **static)


def _numpys(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part)
    return found


def row(name: str, *samples: Sample, **options: Any) -> Spec:
    """A row whose name is that of the one NumPy function that it calls, unless told otherwise."""
    options.setdefault("call", function(name))
    if "covers" not in options:
        options["covers"] = (_numpys(name),)
    return Spec(name, samples=samples, **options)


def scipy_row(module: Any, name: str, *samples: Sample, **options: Any) -> Spec:
    """A row for a function of SciPy's, through `wengert.scipy`'s module of the same name."""
    ours = getattr(module, name)
    title = f"{module.__name__.rpartition('.')[2]}.{name}"
    options.setdefault("call", lambda m, *arrays, **static: ours(*arrays, **static))
    options.setdefault("covers", (ours.numpy_function,))
    return Spec(title, samples=samples, of_numpy=False, **options)


S = Sample
SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.5, np.inf, -np.inf, np.nan)
FINITE = (0.0, -0.0, 1.0, -1.0, 2.5, 0.5, -2.0)

# ufuncs of one argument: name, and the interval that samples are drawn from.
