"""What has no rule for traced values, why, and what to do instead: the texts of the errors.

`FUNCTIONS` is for functions of NumPy, `METHODS` for methods and attributes of ndarray. A test walks
over all of NumPy and finds each function in the tables of `dispatch.py`, or here.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["CALLABLES", "FUNCTIONS", "METHODS", "advice"]

_FILE = (
    "it writes to a file, where derivatives and lanes get lost",
    "return the value from the transformed function and save the plain result",
)
_READS = (
    "it makes a plain array of a file or of text",
    "leave like= out, and read the data before the transformed function",
)
_DATES = (
    "it is for dates, which have no derivative",
    "compute with dates outside the transformed function, on plain values",
)
_BITS = (
    "it is for the bits of integers, which have no derivative",
    "convert plain integers, outside the transformed function",
)

FUNCTIONS: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(("np.save", "np.savez", "np.savez_compressed", "np.savetxt"), _FILE),
    **dict.fromkeys(
        ("np.fromfile", "np.fromstring", "np.frombuffer", "np.loadtxt", "np.genfromtxt"), _READS
    ),
    **dict.fromkeys(
        (
            "np.busday_count",
            "np.busday_offset",
            "np.is_busday",
            "np.datetime_as_string",
            "np.isnat",
        ),
        _DATES,
    ),
    **dict.fromkeys(("np.packbits", "np.unpackbits"), _BITS),
    "np.require": (
        "it is about the memory of an array, which a traced value does not have",
        "leave it out; x.astype(dtype) changes the dtype",
    ),
}
"""Name of a function: why it is refused, and what to do instead."""

_ONE_BY_ONE = (
    "iterate over the array itself, x.flat or np.ndindex(x.shape), and join results by np.stack"
)

CALLABLES: Final[dict[str, str]] = {
    "nditer": _ONE_BY_ONE,
    "nested_iters": _ONE_BY_ONE,
    "ndenumerate": _ONE_BY_ONE,
    "broadcast": "use np.broadcast_arrays, or np.broadcast_shapes(x.shape, y.shape)",
    "vectorize": "call the function with arrays, or map it with wengert.vmap(f)(x)",
    "fromiter": "use wengert.numpy.array(list(values)), or np.stack(list(values))",
}
"""What NumPy does not hand over to tracers, and what to use instead."""

_MEMORY = (
    "it reads the memory of the array, where derivatives and lanes get lost",
    "take x.tolist() or x.item() where a plain copy of a concrete value is wanted",
)
_REINTERPRETS = (
    "it reads the bytes of the array as other numbers, which has no derivative",
    "convert the values with x.astype(dtype); the parts of a complex number are x.real and x.imag",
)

METHODS: Final[dict[str, tuple[str, str]]] = {
    "__dlpack__": (
        "it hands the memory of the array to another library, where derivatives get lost",
        "write the function with NumPy, or give the other library plain values outside",
    ),
    "__dlpack_device__": (
        "it hands the memory of the array to another library, where derivatives get lost",
        "write the function with NumPy, or give the other library plain values outside",
    ),
    "byteswap": _REINTERPRETS,
    "ctypes": _MEMORY,
    "data": _MEMORY,
    "dump": _FILE,
    "dumps": _FILE,
    "getfield": _REINTERPRETS,
    "setfield": _REINTERPRETS,
    "setflags": (
        "it is about the memory of the array, which a traced value does not have",
        "leave it out",
    ),
    "tofile": _FILE,
    "view": _REINTERPRETS,
}
"""Name of a method or an attribute: why it is refused, and what to do instead."""


def advice(name: str, supported: Iterable[str]) -> tuple[str, str]:
    """The reason and the way out for a function without a rule.

    Args:
        name: of the function, such as "np.save".
        supported: the names of the functions that have a rule.
    """
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    near = get_close_matches(name, sorted(set(supported)), 3, 0.75)
    instead = "write it with supported functions, or take it out of the differentiated part"
    if name.endswith(" (vectorized)"):  # of np.frompyfunc
        instead = "call the Python function itself; wengert.vmap maps it over arrays"
    if near:
        instead = f"similar names that are supported: {', '.join(near)};\n{instead}"
    return "", instead
