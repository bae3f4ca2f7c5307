"""Elementwise primitives: arithmetic, powers, exponentials, trigonometry, comparisons, rounding,
complex parts, casts.

One line or block a primitive: NumPy's ufunc, then the partial derivative by each operand, as a
function of the result `y` and the operands. The formulas are holomorphic where the function is, so
complex numbers need no rules of their own. Nothing here speaks of broadcasting or promotion: the
maker `elementwise` does.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..aval import Array, ShapedArray, aval_of, is_inexact
from ..dispatch import asarray, implements, implements_ufunc
from ..errors import UnsupportedError
from ..rules import elementwise, zero_derivative
from ..tracing import Primitive, Tracer
from ..views import view


def _inverse(x: Array) -> Array:
    """1/x, which is inf at 0 also for Python's numbers, where the operator raises."""
    return math.copysign(math.inf, x) if type(x) is float and x == 0 else 1.0 / x


_ONE = np.array(1.0)
_LN2 = math.log(2)
_LN10 = math.log(10)


def _ufunc(ufunc: np.ufunc, *slopes: Any, name: str | None = None, **options: Any) -> Primitive:
    """An elementwise primitive that does the work of a ufunc, and has its name unless another is
    given.
    """
    primitive = elementwise(name or ufunc.__name__, ufunc, *slopes, **options)
    implements_ufunc(ufunc, primitive)
    return primitive


def _zero(ufunc: np.ufunc, impl: Any = None) -> Primitive:
    """A ufunc with derivative zero, or none."""
    primitive = zero_derivative(ufunc.__name__, impl or ufunc, ufunc=ufunc)
    implements_ufunc(ufunc, primitive)
    return primitive


def _nonzero(x: Array) -> Array:
    """x with 1 in the place of 0: a denominator for quotients whose limit at 0 is their numerator's
    0.
    """
    return np.where(x == 0, 1, x)


def _one_minus(x: Array) -> Array:
    # An array without axes costs NumPy half of what a Python number does, but it would widen
    # float32.
    return _ONE - x if type(x) is np.ndarray and x.dtype is _ONE.dtype else 1.0 - x


# Arithmetic. The Python operators compute, because they are much faster than ufuncs on scalars.
# Where Python's numbers raise, or leave the real line, NumPy's result counts.


def _divide(a: Array, b: Array) -> Array:
    try:
        return a / b
    except ZeroDivisionError:
        return np.divide(a, b)


def _power(x: Array, p: Array) -> Array:
    try:
        y = x**p
    except ArithmeticError:
        return np.power(x, p)
    if type(y) is complex and type(x) is not complex and type(p) is not complex:
        return np.power(x, p)
    return y


add_p = _ufunc(
    np.add,
    1.0,
    1.0,
    impl=operator.add,
    transposes=(lambda ct, a, b: ct, lambda ct, a, b: ct),
    linear="jointly",
)
subtract_p = _ufunc(
    np.subtract,
    1.0,
    -1.0,
    name="sub",
    impl=operator.sub,
    transposes=(lambda ct, a, b: ct, lambda ct, a, b: -ct),
    linear="jointly",
)
multiply_p = _ufunc(
    np.multiply,
    lambda y, a, b: b,
    lambda y, a, b: a,
    name="mul",
    impl=operator.mul,
    transposes=(lambda ct, a, b: ct * b, lambda ct, a, b: ct * a),
    linear="separately",
)
divide_p = _ufunc(
    np.divide,
    lambda y, a, b: (
        _inverse(b) if is_inexact(aval_of(b).dtype) else 1.0 / astype(b, aval_of(y).dtype)
    ),
    lambda y, a, b: -y / b,
    name="div",
    impl=_divide,
    transposes=(lambda ct, a, b: ct / b, None),
    linear="separately",
)
negative_p = _ufunc(
    np.negative,
    -1.0,
    name="neg",
    impl=operator.neg,
    transposes=(lambda ct, x: -ct,),
    linear="jointly",
)
positive_p = _ufunc(
    np.positive,
    1.0,
    impl=operator.pos,
    transposes=(lambda ct, x: ct,),
    linear="jointly",
)
reciprocal_p = _ufunc(np.reciprocal, lambda y, x: -(y * y))
square_p = _ufunc(np.square, lambda y, x: 2.0 * x)
fmod_p = _ufunc(np.fmod, 1.0, lambda y, a, b: -np.trunc(np.divide(a, b)))
remainder_p = _ufunc(np.remainder, 1.0, lambda y, a, b: -np.floor(np.divide(a, b)))


def _power_by_base(y: Array, x: Array, p: Array) -> Array:
    # x**0 is constant, also at x = 0 where p * x**(p - 1) would be 0 * inf.
    if type(p) is int or type(p) is float:
        return 0.0 if p == 0 else 2.0 * x if p == 2 else p * np.power(x, p - 1)
    # Only there, for elsewhere the derivative by p counts. The exponent is cast, for where `p`
    # stands for a Python number, np.where makes it a float64.
    dtype = aval_of(y).dtype
    constant = (p == 0) & (np.abs(x) < np.finfo(dtype).tiny)
    return p * np.power(x, astype(np.where(constant, 1, p - 1), dtype))


def _power_by_exponent(y: Array, x: Array, p: Array) -> Array:
    # 0**p stays 0 for p > 0, though log(0) is -inf.
    return y * np.log(_nonzero(astype(x, aval_of(y).dtype)))


power_p = _ufunc(np.power, _power_by_base, _power_by_exponent, name="pow", impl=_power)


def _float_power(x: Array, p: Array) -> Array:
    kind = np.result_type(_promotable(x), _promotable(p), np.float64)
    return np.power(astype(x, kind), astype(p, kind))


def _promotable(x: Array) -> Any:
    return aval_of(x).dtype


implements_ufunc(np.float_power, _float_power)

# Roots, exponentials, logarithms.

sqrt_p = _ufunc(np.sqrt, lambda y, x: 0.5 / y)
cbrt_p = _ufunc(np.cbrt, lambda y, x: _inverse(3 * y * y))
exp_p = _ufunc(np.exp, lambda y, x: y)
exp2_p = _ufunc(np.exp2, lambda y, x: y * _LN2)
expm1_p = _ufunc(np.expm1, lambda y, x: y + 1.0)
log_p = _ufunc(np.log, lambda y, x: _inverse(x))
log2_p = _ufunc(np.log2, lambda y, x: _inverse(x * _LN2))
log10_p = _ufunc(np.log10, lambda y, x: _inverse(x * _LN10))
log1p_p = _ufunc(np.log1p, lambda y, x: _inverse(1 + x))


def _ahead(a: Array, b: Array) -> Array:
    """a - b, where equal infinities are no way apart."""
    same = (a == b) & np.isinf(a)
    return np.where(same, 0, a - np.where(same, 0, b))


# The share of exp(a) in exp(a) + exp(b), which is 1/2 for equal infinities.
logaddexp_p = _ufunc(
    np.logaddexp,
    lambda y, a, b: weight(y, np.exp(-np.logaddexp(0.0, _ahead(b, a)))),
    lambda y, a, b: weight(y, np.exp(-np.logaddexp(0.0, _ahead(a, b)))),
)
logaddexp2_p = _ufunc(
    np.logaddexp2,
    lambda y, a, b: weight(y, np.exp2(-np.logaddexp2(0.0, _ahead(b, a)))),
    lambda y, a, b: weight(y, np.exp2(-np.logaddexp2(0.0, _ahead(a, b)))),
)

# Trigonometric and hyperbolic functions.

sin_p = _ufunc(np.sin, lambda y, x: np.cos(x))
cos_p = _ufunc(np.cos, lambda y, x: -np.sin(x))
tan_p = _ufunc(np.tan, lambda y, x: 1.0 + y * y)


def _leg(x: Array) -> Array:
    """sqrt(1 - x**2); of complex numbers on the real axis, from the side that NumPy's cut is on."""
    if aval_of(x).dtype.kind == "c":
        return np.sqrt(-(x - 1.0) * (x + 1.0))
    return np.sqrt((1.0 - x) * (1.0 + x))


arcsin_p = _ufunc(np.arcsin, lambda y, x: 1.0 / _leg(x))
arccos_p = _ufunc(np.arccos, lambda y, x: -1.0 / _leg(x))
arctan_p = _ufunc(np.arctan, lambda y, x: _inverse(1.0 + x * x))
sinh_p = _ufunc(np.sinh, lambda y, x: np.cosh(x))
cosh_p = _ufunc(np.cosh, lambda y, x: np.sinh(x))
tanh_p = _ufunc(np.tanh, lambda y, x: _one_minus(y * y))
arcsinh_p = _ufunc(np.arcsinh, lambda y, x: 1.0 / np.sqrt(1.0 + x * x))
arccosh_p = _ufunc(np.arccosh, lambda y, x: _inverse(np.sqrt(x - 1) * np.sqrt(x + 1)))
arctanh_p = _ufunc(np.arctanh, lambda y, x: _inverse((1.0 - x) * (1.0 + x)))
deg2rad_p = _ufunc(np.deg2rad, lambda y, x: math.pi / 180)
rad2deg_p = _ufunc(np.rad2deg, lambda y, x: 180 / math.pi)
implements_ufunc(np.radians, deg2rad_p)
implements_ufunc(np.degrees, rad2deg_p)
hypot_p = _ufunc(
    np.hypot,
    lambda y, a, b: a / _nonzero(y),
    lambda y, a, b: b / _nonzero(y),
)


def _over_length(x: Array, a: Array, b: Array) -> Array:
    """x / (a^2 + b^2), which neither overflows nor underflows, and is 0 at the origin."""
    length = _nonzero(np.hypot(a, b))
    return x / length / length


arctan2_p = _ufunc(
    np.arctan2,
    lambda y, a, b: _over_length(b, a, b),
    lambda y, a, b: -_over_length(a, a, b),
)

# Absolute value, signs, the larger and the smaller. Ties share the derivative equally; abs'(0) = 0.


def _absolute_jvp(t: Array, y: Array, x: Array) -> Array:
    if aval_of(x).dtype.kind == "c":
        return np.real(t * np.conjugate(np.sign(x)))
    return t * np.sign(x)


def _share(a: Array, b: Array, wins: Array) -> Array:
    """1 where `wins`, 1/2 where the operands are equal, 0 elsewhere, in the operands' precision."""
    return np.where(a == b, 0.5, np.where(wins, 1.0, 0.0))


def weight(y: Array, weight: Array) -> Array:
    """A weight, or a mask, in the precision of the result."""
    return astype(weight, aval_of(y).dtype)


def _absolute_dtype(x: ShapedArray) -> np.dtype[Any]:
    return real_dtype(x.dtype)


absolute_p = _ufunc(
    np.absolute, jvps=(_absolute_jvp,), name="abs", impl=operator.abs, dtype=_absolute_dtype
)
fabs_p = _ufunc(np.fabs, lambda y, x: np.sign(x))
real_sign_p = zero_derivative("sign", np.sign, ufunc=np.sign)


def _sign(x: Array) -> Array:
    # A complex sign is z/|z|, which does have a derivative.
    if aval_of(x).dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x) / _nonzero(size)
    return real_sign_p.bind(x)


implements_ufunc(np.sign, _sign)
maximum_p = _ufunc(
    np.maximum,
    lambda y, a, b: weight(y, _share(a, b, (a > b) | np.isnan(a))),
    lambda y, a, b: weight(y, _share(a, b, (b > a) | np.isnan(b))),
)
minimum_p = _ufunc(
    np.minimum,
    lambda y, a, b: weight(y, _share(a, b, (a < b) | np.isnan(a))),
    lambda y, a, b: weight(y, _share(a, b, (b < a) | np.isnan(b))),
)
fmax_p = _ufunc(
    np.fmax,
    lambda y, a, b: weight(y, _share(a, b, (a > b) | np.isnan(b))),
    lambda y, a, b: weight(y, _share(a, b, (b > a) | np.isnan(a))),
)
fmin_p = _ufunc(
    np.fmin,
    lambda y, a, b: weight(y, _share(a, b, (a < b) | np.isnan(b))),
    lambda y, a, b: weight(y, _share(a, b, (b < a) | np.isnan(a))),
)
copysign_p = _ufunc(np.copysign, lambda y, a, b: weight(y, np.sign(a) * np.copysign(1.0, b)), None)
heaviside_p = _ufunc(np.heaviside, None, lambda y, x, h: weight(y, x == 0))
ldexp_p = _ufunc(
    np.ldexp,
    lambda y, x, i: np.ldexp(astype(np.float64(1.0), aval_of(y).dtype), i),
    None,
    transposes=(lambda ct, x, i: np.ldexp(ct, i), None),
    linear="separately",
)
nextafter_p = _ufunc(np.nextafter, 1.0, None)

# Comparisons, logic, bits, rounding: no derivative. (round and fix are in rounding.py.)

less_p = _zero(np.less, operator.lt)
less_equal_p = _zero(np.less_equal, operator.le)
greater_p = _zero(np.greater, operator.gt)
greater_equal_p = _zero(np.greater_equal, operator.ge)
equal_p = _zero(np.equal, operator.eq)
not_equal_p = _zero(np.not_equal, operator.ne)
for _f in (
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.logical_not,
    np.bitwise_and,
    np.bitwise_or,
    np.bitwise_xor,
    np.invert,
    np.left_shift,
    np.right_shift,
    np.bitwise_count,
    np.gcd,
    np.lcm,
    np.isfinite,
    np.isinf,
    np.isnan,
    np.signbit,
    np.floor,
    np.ceil,
    np.trunc,
    np.rint,
    np.floor_divide,
    np.spacing,
):
    _zero(_f)


# Complex parts.


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the real part."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


real_p = elementwise(
    "real",
    None,
    jvps=(lambda t, y, x: np.real(t),),
    impl=lambda x: x.real,
    dtype=lambda x: real_dtype(x.dtype),
    transposes=(lambda ct, x: ct,),
    linear="jointly",
)
imag_p = elementwise(
    "imag",
    None,
    jvps=(lambda t, y, x: np.imag(t),),
    impl=lambda x: x.imag,
    dtype=lambda x: real_dtype(x.dtype),
    transposes=(lambda ct, x: ct * -1j,),
    linear="jointly",
)
real_p.put_back = lambda x, y: y + 1j * np.imag(x)
imag_p.put_back = lambda x, y: np.real(x) + 1j * y
conjugate_p = _ufunc(
    np.conjugate,
    jvps=(lambda t, y, x: np.conjugate(t),),
    transposes=(lambda ct, x: np.conjugate(ct),),
    linear="jointly",
)


@implements(np.real)
def real(val: Array) -> Array:
    """`np.real` on traced values."""
    x = asarray(val, "np.real")
    return view(real_p, x) if aval_of(x).dtype.kind == "c" else x


@implements(np.imag)
def imag(val: Array) -> Array:
    """`np.imag` on traced values."""
    x = asarray(val, "np.imag")
    aval = aval_of(x)
    return view(imag_p, x) if aval.dtype.kind == "c" else np.zeros(aval.shape, aval.dtype)[()]


@implements(np.angle)
def angle(z: Array, deg: bool = False) -> Array:
    """`np.angle` on traced values."""
    z = asarray(z, "np.angle")
    y = np.arctan2(np.imag(z), np.real(z))
    return y * (180 / math.pi) if deg else y


# Casts.

astype_p = elementwise(
    "astype",
    None,
    jvps=(lambda t, y, x, *, dtype: astype(t, dtype),),
    impl=lambda x, *, dtype: (
        dtype.type(x) if type(x) in (float, complex, int, bool) else x.astype(dtype)
    ),
    dtype=lambda x, *, dtype: dtype,
    transposes=(lambda ct, x, *, dtype: ct,),
    linear="jointly",
)


def astype(x: Array, dtype: Any) -> Array:
    """Cast an array, a number or a tracer; complex to real drops the imaginary part, as NumPy's
    astype does.
    """
    dtype = np.dtype(dtype)
    aval = aval_of(x)
    if aval.dtype == dtype and not aval.weak_type:
        return x
    if dtype.kind not in "fciub" and isinstance(x, Tracer):
        raise UnsupportedError(
            f"astype: a traced value cannot be cast to {dtype}.",
            got=repr(aval),
            needed="a float, complex, integer or bool dtype",
            fix="cast it outside the transformed function",
        )
    if aval.dtype.kind == "c" and dtype.kind in "fiub":
        x = np.real(x)
        if x.dtype == dtype:
            return np.copy(x) if x.shape else x
    return astype_p.bind(x, dtype=dtype)


def as_array(x: Any, operation: str) -> Array:
    """An operand of what is no ufunc: there a Python number has a dtype of its own, as NumPy's."""
    x = asarray(x, operation)
    traced = isinstance(x, Tracer)
    if type(x) is np.ndarray or (traced and x.shape):
        return x
    aval = aval_of(x)
    return astype(x, aval.dtype) if aval.weak_type else x


if hasattr(np, "astype"):

    @implements(np.astype)
    def array_api_astype(
        x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None
    ) -> Array:
        """`np.astype` on traced values."""
        y = astype(x, dtype)
        return np.copy(y) if copy and y is x and aval_of(x).shape else y
