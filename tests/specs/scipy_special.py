"""Ufuncs of scipy.special, called as SciPy's own on traced values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
import scipy.special
from scipy.special import _ufuncs

from specs.table import Draw, S, Spec, const, cplx, python, real

Span = tuple[float, float]
INF = np.inf
OLD = tuple(map(int, scipy.__version__.split(".")[:2])) < (1, 15)


@dataclass(frozen=True)
class Fixed:
    """An operand that is not differentiated, and the values that are tried."""

    values: tuple[Any, ...]


def fixed(*values: Any) -> Fixed:
    """An operand that is not differentiated."""
    return Fixed(values)


def ufunc_row(
    name: str,
    *operands: Span | Fixed,
    order: int = 3,
    special: Any = None,
    tolerance: float = 4.0,
    ulps: float = 4,
    complex_: Span | None = None,
    full: bool = True,
    single: bool = True,
    trusted: bool = True,
    also: tuple[str, ...] = (),
) -> tuple[Spec, ...]:
    """A row for a ufunc; none where SciPy lacks it.

    `special` are points, for the last operand, where only the value is compared; `complex_` is the
    interval of the real part where it is checked for complex numbers. `also` names private ufuncs
    that the row stands for.
    Without `single`, SciPy's function gives NaN, or does not end, in single precision. Where its
    values are not `trusted`, old versions are wrong.
    """
    function = getattr(scipy.special, name, None)
    if function is None:
        return ()
    spans = [o for o in operands if not isinstance(o, Fixed)]
    tried = [o.values for o in operands if isinstance(o, Fixed)]
    choices = [tuple(choice) for choice in zip(*tried, strict=True)] or [()]

    def call(m: Any, *xs: Any, choice: tuple[Any, ...] = ()) -> Any:
        chosen, moving = iter(choice), iter(xs)
        return function(*[next(chosen if isinstance(o, Fixed) else moving) for o in operands])

    def draws(*shape: int, dtype: str = "f8") -> tuple[Draw, ...]:
        return tuple([real(*shape, lo=lo, hi=hi, dtype=dtype) for lo, hi in spans])

    first = {"choice": choices[-1]}
    samples = [S("f4", draws(2, dtype="f4"), first)] if single else []
    for k, choice in enumerate(choices):
        samples.append(S(f"vector{k or ''}", draws(3), {"choice": choice}))
        if complex_ is not None:
            last = cplx(3, lo=complex_[0], hi=complex_[1])
            samples.append(S(f"c16{k or ''}", (*draws()[:-1], last), {"choice": choice}))
    if full:
        samples += [S("scalar", draws(), first), S("empty", draws(0, 2), first)]
        if len(spans) == 1:
            samples.append(S("python", (python(*spans[0]),), first))
        elif spans:
            tall = real(2, 1, lo=spans[0][0], hi=spans[0][1])
            samples.append(S("broadcast", (tall, *draws(3)[1:]), first))
    if complex_ is not None:
        single = cplx(2, lo=complex_[0], hi=complex_[1], dtype="c8")
        samples.append(S("c8", (*draws(dtype="f4")[:-1], single), first, derivative=False))
    if special is not None:
        points = (*draws()[:-1], const(special))
        samples.append(S("special", points, first, derivative=False, warns=True))
    if not trusted and OLD:
        samples = [replace(s, derivative=False) for s in samples]
    private = [getattr(_ufuncs, f, None) for f in also]
    return (
        Spec(
            f"special.{name}",
            call,
            tuple(samples),
            tuple([f for f in (function, *private) if f is not None]),
            order=order,
            ulps=ulps,
            tolerance=tolerance,
            of_numpy=False,
        ),
    )


def rows(*found: tuple[Spec, ...]) -> tuple[Spec, ...]:
    """The rows of functions that SciPy has."""
    return tuple([spec for group in found for spec in group])


FAR = (0.0, -0.0, 1.0, -1.0, 1000.0, -1000.0, INF, -INF, np.nan)
UNIT = (0.0, 0.25, 1.0, -0.5, 1.5, np.nan)
POSITIVE = (0.0, 1e-300, 1.0, 700.0, INF, np.nan)

ERROR_FUNCTIONS = rows(
    ufunc_row("erf", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("erfc", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("erfcx", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("erfi", (-1, 1), special=(0.0, 1.0, -30.0), complex_=(-1, 1)),
    ufunc_row("erfinv", (-0.8, 0.8), special=UNIT),
    ufunc_row("erfcinv", (0.3, 1.7), special=UNIT),
    ufunc_row("dawsn", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("wofz", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("voigt_profile", (-2, 2), (0.5, 1.5), (0.2, 1)),
    ufunc_row("ndtr", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("log_ndtr", (-4, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("ndtri", (0.1, 0.9), special=UNIT),
    ufunc_row("ndtri_exp", (-3, -0.3), special=(-INF, 0.0, -1000.0, 1.0)),
    ufunc_row("owens_t", (-2, 2), (-2, 2)),
    ufunc_row("fresnel", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("modfresnelp", (0.2, 2), full=False, trusted=False),
    ufunc_row("modfresnelm", (0.2, 2), full=False, trusted=False),
)

ELEMENTARY = rows(
    ufunc_row("expit", (-3, 3), special=FAR),
    ufunc_row("log_expit", (-3, 3), special=FAR),
    ufunc_row("logit", (0.2, 0.8), special=UNIT),
    ufunc_row("xlogy", (-2, 2), (0.5, 2), special=POSITIVE, complex_=(0.5, 2)),
    ufunc_row("xlog1py", (-2, 2), (-0.5, 2), special=POSITIVE, complex_=(0.5, 2)),
    ufunc_row("entr", (0.3, 2), special=FAR),
    ufunc_row("rel_entr", (0.3, 2), (0.3, 2), special=FAR),
    ufunc_row("kl_div", (0.3, 2), (0.3, 2), special=FAR),
    ufunc_row("boxcox", (0.5, 2), (-1, 1), special=(0.0, 1e-300, 1.0, -INF)),
    ufunc_row("boxcox1p", (-0.5, 2), (-1, 1), special=(0.0, 1e-300, 1.0)),
    ufunc_row("inv_boxcox", (-0.5, 0.5), (-0.9, 0.9), special=(0.0, 1e-300, 1.0)),
    ufunc_row("inv_boxcox1p", (-0.5, 0.5), (-0.9, 0.9), special=(0.0, 1e-300, 1.0)),
    ufunc_row("powm1", (0.5, 2), (-2, 2)),
    ufunc_row("huber", (0.5, 1), (1.2, 2), special=FAR),
    ufunc_row("pseudo_huber", (0.5, 1), (-2, 2), special=FAR),
    ufunc_row("exp2", (-2, 2)),
    ufunc_row("exp10", (-1, 1)),
    ufunc_row("expm1", (-2, 2), special=FAR, complex_=(-1, 1)),
    ufunc_row("log1p", (-0.5, 2), special=FAR, complex_=(-0.5, 2)),
    ufunc_row("cbrt", (0.5, 2)),
    ufunc_row("cosm1", (-2, 2), special=FAR),
    ufunc_row("exprel", (-2, 2), special=FAR),
    ufunc_row("round", (0.6, 0.9), order=0, full=False),
    ufunc_row("sindg", (-90, 90)),
    ufunc_row("cosdg", (-90, 90)),
    ufunc_row("tandg", (-60, 60)),
    ufunc_row("cotdg", (20, 80)),
    ufunc_row("radian", (-90, 90), (0, 60), (0, 60)),
    ufunc_row("wrightomega", (-2, 2), special=FAR, complex_=(-1, 1)),
)

GAMMA = rows(
    ufunc_row("gamma", (0.5, 4), special=FAR, complex_=(-1.5, 2), tolerance=16),
    ufunc_row("gammaln", (0.5, 4), special=(*FAR, -0.5, -2.5)),
    ufunc_row("loggamma", (0.5, 4), special=FAR, complex_=(-1.5, 2), tolerance=16),
    ufunc_row("gammasgn", (0.5, 4), order=0, special=(*FAR, -0.5, -1.5)),
    ufunc_row("rgamma", (-2.5, 4), special=FAR, complex_=(-1.5, 2), tolerance=16),
    ufunc_row("psi", (0.5, 4), special=FAR, complex_=(-1.5, 2), tolerance=64),
    ufunc_row("beta", (0.5, 3), (0.5, 3)),
    ufunc_row("betaln", (0.5, 3), (0.5, 3)),
    ufunc_row("binom", (2, 5), (0.5, 1.5), special=(0.0, 3.0, 10.0)),
    ufunc_row("poch", (0.5, 3), (-0.3, 2), special=(0.0, 3.0)),
    ufunc_row("gammainc", (0.5, 3), (0.5, 3), special=POSITIVE),
    ufunc_row("gammaincc", (0.5, 3), (0.5, 3), special=POSITIVE),
    ufunc_row("gammaincinv", (0.5, 3), (0.2, 0.8), tolerance=16, special=UNIT),
    ufunc_row("gammainccinv", (0.5, 3), (0.2, 0.8), tolerance=16, special=UNIT),
    ufunc_row("betainc", (0.5, 3), (0.5, 3), (0.2, 0.8), special=UNIT),
    ufunc_row("betaincc", (0.5, 3), (0.5, 3), (0.2, 0.8), special=UNIT),
    ufunc_row("betaincinv", (0.8, 3), (0.8, 3), (0.2, 0.8), tolerance=64, special=UNIT),
    ufunc_row("betainccinv", (0.8, 3), (0.8, 3), (0.2, 0.8), tolerance=64, special=UNIT),
)


SCIPY_SPECIAL = (*ERROR_FUNCTIONS, *ELEMENTARY, *GAMMA)
