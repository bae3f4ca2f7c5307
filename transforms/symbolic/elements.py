"""The elementwise operations that sympy has, by the names of the primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .extra import sympy
from .values import NoFormError, is_truth

__all__ = ["ELEMENTS", "choose", "truth"]


def choose(condition: Any, a: Any, b: Any) -> Any:
    """`a if condition else b` as a formula."""
    s = sympy()
    if condition == s.true or a == b:
        return a
    if condition == s.false:
        return b
    if is_truth(condition):
        return s.Piecewise((a, condition), (b, True))
    return s.Piecewise((b, s.Eq(condition, 0)), (a, True))


def _compared(name: str) -> Callable[[Any, Any], Any]:
    def compare(a: Any, b: Any) -> Any:
        s = sympy()
        if is_truth(a) or is_truth(b):
            same = s.Equivalent(truth(a), truth(b))
            if name in ("Eq", "Ne"):
                return same if name == "Eq" else s.Not(same)
        return getattr(s, name)(a, b)

    return compare


def truth(x: Any) -> Any:
    """A condition for a number: that it is not zero."""
    return x if is_truth(x) else sympy().Ne(x, 0)


def _arithmetic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers, for which truth values are 0 and 1."""
    return lambda *xs: function(*[_number(x) for x in xs])


def _number(x: Any) -> Any:
    if is_truth(x):
        return choose(x, sympy().Integer(1), sympy().Integer(0))
    return x


def _logical(name: str) -> Callable[..., Any]:
    return lambda *xs: getattr(sympy(), name)(*[truth(x) for x in xs])


def _bits(name: str) -> Callable[..., Any]:
    def combine(*xs: Any) -> Any:
        if not all([is_truth(x) for x in xs]):
            raise NoFormError("bits of integers")
        return getattr(sympy(), name)(*xs)

    return combine


def _trunc(x: Any) -> Any:
    s = sympy()
    if x.is_integer:
        return x
    return s.sign(x) * s.floor(s.Abs(x))


def _sign_of(x: Any) -> Any:
    s = sympy()
    return choose(s.Lt(x, 0), s.Integer(-1), s.Integer(1))


def _cbrt(x: Any) -> Any:
    s = sympy()
    if x.is_nonnegative:
        return s.cbrt(x)
    return s.sign(x) * s.cbrt(s.Abs(x))


def _heaviside(x: Any, at_zero: Any) -> Any:
    s = sympy()
    return s.Piecewise((0, s.Lt(x, 0)), (at_zero, s.Eq(x, 0)), (1, True))


def _xlogy(x: Any, y: Any) -> Any:
    s = sympy()
    return choose(s.Eq(x, 0), s.Integer(0), x * s.log(y)) if not x.is_nonzero else x * s.log(y)


def _beta(a: Any, b: Any) -> Any:
    s = sympy()
    return s.gamma(a) * s.gamma(b) / s.gamma(a + b)


def _of(name: str) -> Callable[..., Any]:
    """sympy's function of that name."""
    return lambda *xs: getattr(sympy(), name)(*xs)


def _functions() -> dict[str, Callable[..., Any]]:
    s: Any = _Late()
    plain: dict[str, Callable[..., Any]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "neg": lambda x: -x,
        "positive": lambda x: x,
        "reciprocal": lambda x: 1 / x,
        "square": lambda x: x**2,
        "pow": lambda x, p: x**p,
        "sqrt": lambda x: s.sqrt(x),
        "cbrt": _cbrt,
        "exp": lambda x: s.exp(x),
        "exp2": lambda x: s.Integer(2) ** x,
        "exp10": lambda x: s.Integer(10) ** x,
        "special_exp2": lambda x: s.Integer(2) ** x,
        "expm1": lambda x: s.exp(x) - 1,
        "special_expm1": lambda x: s.exp(x) - 1,
        "log": lambda x: s.log(x),
        "log2": lambda x: s.log(x) / s.log(2),
        "log10": lambda x: s.log(x) / s.log(10),
        "log1p": lambda x: s.log(1 + x),
        "special_log1p": lambda x: s.log(1 + x),
        "logaddexp": lambda a, b: s.log(s.exp(a) + s.exp(b)),
        "logaddexp2": lambda a, b: s.log(s.Integer(2) ** a + s.Integer(2) ** b) / s.log(2),
        "deg2rad": lambda x: x * s.pi / 180,
        "rad2deg": lambda x: x * 180 / s.pi,
        "hypot": lambda a, b: s.sqrt(a**2 + b**2),
        "remainder": lambda a, b: s.Mod(a, b),
        "fmod": lambda a, b: a - b * _trunc(a / b),
        "floor_divide": lambda a, b: s.floor(a / b),
        "trunc": _trunc,
        "copysign": lambda a, b: s.Abs(a) * _sign_of(b),
        "heaviside": _heaviside,
        "real": lambda x: s.re(x),
        "imag": lambda x: s.im(x),
        "conjugate": lambda x: s.conjugate(x),
        "isnan": lambda x: s.false,
        "isinf": lambda x: s.false,
        "isfinite": lambda x: s.true,
        "signbit": lambda x: s.Lt(x, 0),
        "stop_gradient": lambda x: x,
        "value": lambda x: x,
        "name": lambda x: x,
        # scipy.special
        "gammaln": lambda x: s.loggamma(x),
        "rgamma": lambda x: 1 / s.gamma(x),
        "psi": lambda x: s.digamma(x),
        "beta": _beta,
        "betaln": lambda a, b: s.loggamma(a) + s.loggamma(b) - s.loggamma(a + b),
        "expit": lambda x: 1 / (1 + s.exp(-x)),
        "log_expit": lambda x: -s.log(1 + s.exp(-x)),
        "logit": lambda x: s.log(x / (1 - x)),
        "xlogy": _xlogy,
        "xlog1py": lambda x, y: _xlogy(x, 1 + y),
        "entr": lambda x: -x * s.log(x),
        "rel_entr": lambda x, y: x * s.log(x / y),
        "kl_div": lambda x, y: x * s.log(x / y) - x + y,
        "ndtr": lambda x: (1 + s.erf(x / s.sqrt(2))) / 2,
        "log_ndtr": lambda x: s.log((1 + s.erf(x / s.sqrt(2))) / 2),
        "ndtri": lambda p: s.sqrt(2) * s.erfinv(2 * p - 1),
        "erfcx": lambda x: s.exp(x**2) * s.erfc(x),
        "dawsn": lambda x: s.sqrt(s.pi) / 2 * s.exp(-(x**2)) * s.erfi(x),
        "gammainc": lambda a, x: s.lowergamma(a, x) / s.gamma(a),
        "gammaincc": lambda a, x: s.uppergamma(a, x) / s.gamma(a),
        "exp1": lambda x: s.expint(1, x),
        "expn": lambda n, x: s.expint(n, x),
        "j0": lambda x: s.besselj(0, x),
        "j1": lambda x: s.besselj(1, x),
        "y0": lambda x: s.bessely(0, x),
        "y1": lambda x: s.bessely(1, x),
        "special_i0": lambda x: s.besseli(0, x),
        "i1": lambda x: s.besseli(1, x),
        "k0": lambda x: s.besselk(0, x),
        "k1": lambda x: s.besselk(1, x),
        "i0e": lambda x: s.exp(-s.Abs(x)) * s.besseli(0, x),
        "i1e": lambda x: s.exp(-s.Abs(x)) * s.besseli(1, x),
        "k0e": lambda x: s.exp(x) * s.besselk(0, x),
        "k1e": lambda x: s.exp(x) * s.besselk(1, x),
        "zetac": lambda x: s.zeta(x) - 1,
        "boxcox": lambda x, p: (x**p - 1) / p,
        "normal_hazard": lambda x: s.sqrt(2 / s.pi) * s.exp(-(x**2) / 2) / s.erfc(-x / s.sqrt(2)),
        "cosm1": lambda x: s.cos(x) - 1,
        "exprel": lambda x: (s.exp(x) - 1) / x,
    }
    for ours, theirs in _RENAMED.items():
        plain[ours] = _of(theirs)
    found = {name: _arithmetic(f) for name, f in plain.items() if name not in _ANY}
    found.update({name: plain[name] for name in _ANY if name in plain})
    for name, theirs in _COMPARED.items():
        found[name] = _compared(theirs)
    for name in ("And", "Or", "Not", "Xor"):
        found[f"logical_{name.lower()}"] = _logical(name)
        found[f"bitwise_{name.lower()}"] = _bits(name)
    found["invert"] = _bits("Not")
    found["where"] = choose
    return found


class _Late:
    """sympy, which is imported when a formula is made."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sympy(), name)


_ANY: Final = frozenset(["stop_gradient", "value", "name"])
_COMPARED: Final = {
    "less": "Lt", "less_equal": "Le", "greater": "Gt", "greater_equal": "Ge", "equal": "Eq",
    "not_equal": "Ne",
}  # fmt: skip
_RENAMED: Final = {
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2", "abs": "Abs", "fabs": "Abs",
    "sign": "sign", "maximum": "Max", "minimum": "Min", "fmax": "Max", "fmin": "Min",
    "floor": "floor", "ceil": "ceiling", "gcd": "gcd", "lcm": "lcm",
    "erf": "erf", "erfc": "erfc", "erfi": "erfi", "erfinv": "erfinv", "erfcinv": "erfcinv",
    "gamma": "gamma", "loggamma": "loggamma", "polygamma": "polygamma", "zeta": "zeta",
    "riemann_zeta": "zeta", "binom": "binomial", "poch": "RisingFactorial",
    "factorial": "factorial", "jv": "besselj", "yv": "bessely", "iv": "besseli",
    "kv": "besselk", "yn": "bessely", "kn": "besselk", "hankel1": "hankel1",
    "hankel2": "hankel2", "ellipk": "elliptic_k", "ellipe": "elliptic_e",
    "ellipkinc": "elliptic_f", "ellipeinc": "elliptic_e", "expi": "Ei",
    "eval_legendre": "legendre", "eval_chebyt": "chebyshevt", "eval_chebyu": "chebyshevu",
    "eval_hermite": "hermite", "eval_laguerre": "laguerre", "eval_jacobi": "jacobi",
    "eval_gegenbauer": "gegenbauer", "eval_genlaguerre": "assoc_laguerre",
}  # fmt: skip

ELEMENTS: Final = _functions()
"""By the primitive's name: a function of single formulas."""
for _name in ("eval_genlaguerre",):
    ELEMENTS[_name] = lambda n, a, x: sympy().assoc_laguerre(n, a, x)
