"""NumPy's names, for traced and plain values alike: `import wengert.numpy as wnp`.

Plain `import numpy as np` works on traced values too. This module is for what NumPy cannot hand over to us: lists with traced
values in them (`wnp.array([x, y])`, `wnp.sum([x, y])`), and code that a type checker should follow. With nothing traced, every
function is NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as _np
from ..core.primitives.contractions import (
    dot as dot,
    einsum as einsum,
    inner as inner,
    kron as kron,
    outer as outer,
    tensordot as tensordot,
    vdot as vdot,
)
from ..core.primitives.creation import (
    array_equal as array_equal,
    copy as copy,
    empty_like as empty_like,
    full_like as full_like,
    iscomplexobj as iscomplexobj,
    isrealobj as isrealobj,
    ndim as ndim,
    ones_like as ones_like,
    result_type as result_type,
    shape as shape,
    size as size,
    zeros_like as zeros_like,
)
from ..core.primitives.elementwise import (
    allclose as allclose,
    angle as angle,
    round as around,
    clip as clip,
    fix as fix,
    imag as imag,
    isclose as isclose,
    nan_to_num as nan_to_num,
    real as real,
    round as round,
    select as select,
    where as where,
)
from ..core.primitives.indexing import (
    argwhere as argwhere,
    diag as diag,
    diagflat as diagflat,
    diagonal as diagonal,
    flatnonzero as flatnonzero,
    nonzero as nonzero,
    take as take,
    take_along_axis as take_along_axis,
    trace as trace,
    tril as tril,
    triu as triu,
)
from ..core.primitives.joining import (
    append as append,
    block as block,
    column_stack as column_stack,
    concatenate as concatenate,
    dstack as dstack,
    hstack as hstack,
    stack as stack,
    vstack as vstack,
)
from ..core.primitives.reductions import (
    all as all,
    max as amax,
    min as amin,
    any as any,
    argmax as argmax,
    argmin as argmin,
    count_nonzero as count_nonzero,
    cumprod as cumprod,
    cumsum as cumsum,
    diff as diff,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    ptp as ptp,
    std as std,
    sum as sum,
    var as var,
)
from ..core.primitives.shaping import (
    array_split as array_split,
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    broadcast_arrays as broadcast_arrays,
    broadcast_to as broadcast_to,
    dsplit as dsplit,
    expand_dims as expand_dims,
    flip as flip,
    fliplr as fliplr,
    flipud as flipud,
    hsplit as hsplit,
    matrix_transpose as matrix_transpose,
    moveaxis as moveaxis,
    pad as pad,
    transpose as permute_dims,
    ravel as ravel,
    repeat as repeat,
    reshape as reshape,
    roll as roll,
    rollaxis as rollaxis,
    rot90 as rot90,
    split as split,
    squeeze as squeeze,
    swapaxes as swapaxes,
    tile as tile,
    transpose as transpose,
    vsplit as vsplit,
)
from ..core.primitives.sorting import (
    argsort as argsort,
    sort as sort,
)
from numpy import (
    abs as abs,
    absolute as absolute,
    acos as acos,
    acosh as acosh,
    add as add,
    arange as arange,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    bitwise_and as bitwise_and,
    bitwise_invert as bitwise_invert,
    bitwise_left_shift as bitwise_left_shift,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_right_shift as bitwise_right_shift,
    bitwise_xor as bitwise_xor,
    bool_ as bool_,
    cbrt as cbrt,
    ceil as ceil,
    complex128 as complex128,
    complex64 as complex64,
    conj as conj,
    conjugate as conjugate,
    copysign as copysign,
    cos as cos,
    cosh as cosh,
    deg2rad as deg2rad,
    degrees as degrees,
    divide as divide,
    divmod as divmod,
    dtype as dtype,
    e as e,
    empty as empty,
    equal as equal,
    errstate as errstate,
    euler_gamma as euler_gamma,
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    eye as eye,
    fabs as fabs,
    finfo as finfo,
    float32 as float32,
    float64 as float64,
    float_power as float_power,
    floating as floating,
    floor as floor,
    floor_divide as floor_divide,
    fmax as fmax,
    fmin as fmin,
    fmod as fmod,
    frexp as frexp,
    full as full,
    gcd as gcd,
    generic as generic,
    greater as greater,
    greater_equal as greater_equal,
    heaviside as heaviside,
    hypot as hypot,
    identity as identity,
    iinfo as iinfo,
    inexact as inexact,
    inf as inf,
    int32 as int32,
    int64 as int64,
    integer as integer,
    invert as invert,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    isscalar as isscalar,
    lcm as lcm,
    ldexp as ldexp,
    left_shift as left_shift,
    less as less,
    less_equal as less_equal,
    linspace as linspace,
    log as log,
    log10 as log10,
    log1p as log1p,
    log2 as log2,
    logaddexp as logaddexp,
    logaddexp2 as logaddexp2,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    matmul as matmul,
    maximum as maximum,
    minimum as minimum,
    mod as mod,
    modf as modf,
    multiply as multiply,
    nan as nan,
    ndarray as ndarray,
    negative as negative,
    newaxis as newaxis,
    nextafter as nextafter,
    not_equal as not_equal,
    number as number,
    ones as ones,
    pi as pi,
    positive as positive,
    pow as pow,
    power as power,
    rad2deg as rad2deg,
    radians as radians,
    reciprocal as reciprocal,
    remainder as remainder,
    right_shift as right_shift,
    rint as rint,
    sign as sign,
    signbit as signbit,
    sin as sin,
    sinh as sinh,
    spacing as spacing,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    tan as tan,
    tanh as tanh,
    tri as tri,
    true_divide as true_divide,
    trunc as trunc,
    zeros as zeros,
)

from ..core.aval import Array as _Array
from ..core.dispatch import is_traced as _is_traced
from ..core.primitives import elementwise as _elementwise
from ..core.primitives import joining as _joining
from . import linalg as linalg


def array(object: Any, dtype: Any = None, *, copy: bool = True, ndmin: int = 0) -> _Array:
    """An array of numbers, traced values, or nested lists of them.

    Args:
        object: what NumPy's `array` takes, or a nested list with traced values in it.
        dtype: of the result.
        copy: as in NumPy.
        ndmin: the least number of axes.

    Returns:
        An array; a traced one if something in `object` is traced.

    Example:
        >>> import wengert as wg, wengert.numpy as wnp
        >>> wg.grad(lambda x: wnp.array([x, 2 * x]).sum())(1.0)
        np.float64(3.0)
    """
    if not _is_traced((object,)):
        return _np.array(object, dtype=dtype, copy=copy, ndmin=ndmin)
    x = _joining.array(object)
    if dtype is not None:
        x = _elementwise.astype(x, dtype)
    return x if x.ndim >= ndmin else _np.reshape(x, (1,) * (ndmin - x.ndim) + x.shape)


def asarray(a: Any, dtype: Any = None) -> _Array:
    """An array of numbers, traced values, or nested lists of them; without a copy where none is needed.

    Args:
        a: what NumPy's `asarray` takes, or a nested list with traced values in it.
        dtype: of the result.

    Returns:
        An array; a traced one if something in `a` is traced.

    Example:
        >>> import wengert.numpy as wnp
        >>> wnp.asarray([1.0, 2.0])
        array([1., 2.])
    """
    return array(a, dtype) if _is_traced((a,)) else _np.asarray(a, dtype=dtype)


def __getattr__(name: str) -> Any:
    # The rest of NumPy: it works on plain values, and says what it cannot do when one is traced.
    return getattr(_np, name)
