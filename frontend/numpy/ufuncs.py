"""NumPy's ufuncs, which take lists with traced values too: `wnp.sin([x, y])`.

NumPy would make an array of such a list by itself, and ask each traced value for a plain number. So
it is joined to a traced array first. With no such list, NumPy's ufunc does everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as _np

from ..core.dispatch import coerce, is_traced

F = TypeVar("F", bound=Callable[..., Any])

_METHODS = ("accumulate", "at", "outer", "reduce", "reduceat")


def takes_lists(ufunc: F) -> F:
    """A function that does what the ufunc does, has its attributes, and takes lists with traced
    values.
    """
    function = _joining_lists(ufunc)
    for name in dir(ufunc):
        if name in _METHODS:
            setattr(function, name, _joining_lists(getattr(ufunc, name)))
        elif not name.startswith("_"):
            setattr(function, name, getattr(ufunc, name))
    return function


def _joining_lists(f: F) -> F:
    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if (type(x) is list or type(x) is tuple) and is_traced(x):
                args = tuple([coerce(x) if is_traced((x,)) else x for x in args])
                break
        return f(*args, **kwargs)

    function.numpy_function = f  # type: ignore[attr-defined]  # as for the functions of `implements`
    return function  # type: ignore[return-value]  # the same signature


absolute = abs = takes_lists(_np.absolute)
add = takes_lists(_np.add)
arccos = acos = takes_lists(_np.arccos)
arccosh = acosh = takes_lists(_np.arccosh)
arcsin = asin = takes_lists(_np.arcsin)
arcsinh = asinh = takes_lists(_np.arcsinh)
arctan = atan = takes_lists(_np.arctan)
arctan2 = atan2 = takes_lists(_np.arctan2)
arctanh = atanh = takes_lists(_np.arctanh)
bitwise_and = takes_lists(_np.bitwise_and)
bitwise_or = takes_lists(_np.bitwise_or)
bitwise_xor = takes_lists(_np.bitwise_xor)
cbrt = takes_lists(_np.cbrt)
ceil = takes_lists(_np.ceil)
conjugate = conj = takes_lists(_np.conjugate)
copysign = takes_lists(_np.copysign)
cos = takes_lists(_np.cos)
cosh = takes_lists(_np.cosh)
deg2rad = takes_lists(_np.deg2rad)
degrees = takes_lists(_np.degrees)
divide = true_divide = takes_lists(_np.divide)
divmod = takes_lists(_np.divmod)
equal = takes_lists(_np.equal)
exp = takes_lists(_np.exp)
exp2 = takes_lists(_np.exp2)
expm1 = takes_lists(_np.expm1)
fabs = takes_lists(_np.fabs)
float_power = takes_lists(_np.float_power)
floor = takes_lists(_np.floor)
floor_divide = takes_lists(_np.floor_divide)
fmax = takes_lists(_np.fmax)
fmin = takes_lists(_np.fmin)
fmod = takes_lists(_np.fmod)
frexp = takes_lists(_np.frexp)
gcd = takes_lists(_np.gcd)
greater = takes_lists(_np.greater)
greater_equal = takes_lists(_np.greater_equal)
heaviside = takes_lists(_np.heaviside)
hypot = takes_lists(_np.hypot)
invert = bitwise_invert = bitwise_not = takes_lists(_np.invert)
isfinite = takes_lists(_np.isfinite)
isinf = takes_lists(_np.isinf)
isnan = takes_lists(_np.isnan)
lcm = takes_lists(_np.lcm)
ldexp = takes_lists(_np.ldexp)
left_shift = bitwise_left_shift = takes_lists(_np.left_shift)
less = takes_lists(_np.less)
less_equal = takes_lists(_np.less_equal)
log = takes_lists(_np.log)
log10 = takes_lists(_np.log10)
log1p = takes_lists(_np.log1p)
log2 = takes_lists(_np.log2)
logaddexp = takes_lists(_np.logaddexp)
logaddexp2 = takes_lists(_np.logaddexp2)
logical_and = takes_lists(_np.logical_and)
logical_not = takes_lists(_np.logical_not)
logical_or = takes_lists(_np.logical_or)
logical_xor = takes_lists(_np.logical_xor)
matmul = takes_lists(_np.matmul)
maximum = takes_lists(_np.maximum)
minimum = takes_lists(_np.minimum)
modf = takes_lists(_np.modf)
multiply = takes_lists(_np.multiply)
negative = takes_lists(_np.negative)
nextafter = takes_lists(_np.nextafter)
not_equal = takes_lists(_np.not_equal)
positive = takes_lists(_np.positive)
power = pow = takes_lists(_np.power)
rad2deg = takes_lists(_np.rad2deg)
radians = takes_lists(_np.radians)
reciprocal = takes_lists(_np.reciprocal)
remainder = mod = takes_lists(_np.remainder)
right_shift = bitwise_right_shift = takes_lists(_np.right_shift)
rint = takes_lists(_np.rint)
sign = takes_lists(_np.sign)
signbit = takes_lists(_np.signbit)
sin = takes_lists(_np.sin)
sinh = takes_lists(_np.sinh)
spacing = takes_lists(_np.spacing)
sqrt = takes_lists(_np.sqrt)
square = takes_lists(_np.square)
subtract = takes_lists(_np.subtract)
tan = takes_lists(_np.tan)
tanh = takes_lists(_np.tanh)
trunc = takes_lists(_np.trunc)
