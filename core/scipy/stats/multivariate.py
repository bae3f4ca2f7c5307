"""The multivariate distributions of `scipy.stats`: normal, Dirichlet, multinomial.

Their densities are sums of a few terms, so they are written in NumPy; with nothing traced SciPy
computes. Arguments are SciPy's, and so are the errors for bad ones, as far as values are known:
inside `vmap` and `make_program` values cannot be checked.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.special as sc
import scipy.stats

from ...aval import Array
from ...dispatch import is_traced, unsupported_argument
from ...errors import ShapeError
from ...primitives.elementwise import as_array, astype
from ...tracing import Tracer
from .common import Frozen, choose, plain_only

__all__ = ["dirichlet", "multinomial", "multivariate_normal"]


class Multivariate:
    """A distribution of vectors: each method in `ours` has a traced form of the same arguments."""

    ours: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.scipys = getattr(scipy.stats, name)

    def __repr__(self) -> str:
        return f"<wengert.scipy.stats.{self.name}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.scipys, name)
        if name in self.ours:
            return partial(self._either, name, found)
        if not callable(found):
            return found
        return partial(plain_only, self._operation(name), found)

    def __call__(self, *args: Any, **kwds: Any) -> Frozen:
        """The distribution with its parameters fixed."""
        return Frozen(self, args, kwds)

    def traces(self, method: str) -> bool:
        """True for the methods that take traced values."""
        return method in self.ours

    def _operation(self, method: str) -> str:
        return f"scipy.stats.{self.name}.{method}"

    def _either(self, name: str, scipys: Any, *args: Any, **kwds: Any) -> Array:
        if is_traced(args) or is_traced(kwds.values()):
            return getattr(self, f"_{name}")(*args, **kwds)
        return scipys(*args, **kwds)

    def _double(self, x: Any, method: str) -> Array:
        return astype(as_array(x, self._operation(method)), np.float64)

    def _check(self, holds: Array, message: str) -> None:
        """Raise SciPy's ValueError where a condition is known to fail."""
        if not isinstance(holds, Tracer) and not np.all(holds):
            raise ValueError(f"scipy.stats.{self.name}: {message}")


class MultivariateNormal(Multivariate):
    """The normal distribution of vectors, by Cholesky's factor of the covariance."""

    ours = ("logpdf", "pdf", "entropy")

    def _parameters(self, method: str, mean: Any, cov: Any) -> tuple[Array, Array]:
        """The mean as a vector, and the factor of the covariance."""
        cov = self._double(1.0 if cov is None else cov, method)
        if mean is None:
            mean = np.zeros(cov.shape[0] if cov.ndim == 2 else 1)
        mean = self._double(mean, method)
        size = mean.size
        if size == 1 and cov.size == 1:
            mean, cov = np.reshape(mean, (1,)), np.reshape(cov, (1, 1))
        elif cov.ndim == 0:
            cov = cov * np.eye(size)
        elif cov.ndim == 1:
            cov = np.diag(cov)
        if mean.ndim != 1 or cov.shape != (size, size):
            raise ShapeError(
                f"{self._operation(method)}: the shapes of mean and covariance do not fit.",
                got=f"mean {mean.shape}, cov {cov.shape}",
                needed="mean (n,), and cov (n, n), (n,) for its diagonal, or a number",
            )
        return mean, np.linalg.cholesky(cov)

    def _logpdf(
        self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False
    ) -> Array:
        if allow_singular:
            raise unsupported_argument(
                self._operation("logpdf"),
                "allow_singular",
                allow_singular,
                "use a covariance of full rank, such as cov + 1e-9 * np.eye(n)",
            )
        mean, factor = self._parameters("logpdf", mean, cov)
        x = self._double(x, "logpdf")
        n = mean.shape[0]
        if x.ndim == 1:
            x = np.reshape(x, (-1, 1) if n == 1 else (1, -1))
        deviation = x - mean
        columns = np.reshape(deviation, (-1, n)).T
        whitened = np.linalg.solve(factor, columns)
        distance = np.reshape(np.sum(whitened * whitened, axis=0), deviation.shape[:-1])
        half_log_det = np.sum(np.log(np.diagonal(factor)))
        return np.squeeze(-0.5 * (n * math.log(2 * math.pi) + distance) - half_log_det)

    def _pdf(self, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
        return np.exp(self._logpdf(x, mean, cov, allow_singular))

    def _entropy(self, mean: Any = None, cov: Any = 1) -> Array:
        mean, factor = self._parameters("entropy", mean, cov)
        half = 0.5 * mean.shape[0] * (math.log(2 * math.pi) + 1.0)
        return half + np.sum(np.log(np.diagonal(factor)))


class Dirichlet(Multivariate):
    """The Dirichlet distribution."""

    ours = ("logpdf", "pdf", "entropy", "mean", "var")

    def _alpha(self, method: str, alpha: Any) -> Array:
        alpha = as_array(alpha, self._operation(method))
        if alpha.ndim != 1:
            raise ShapeError(
                f"{self._operation(method)}: alpha must be a vector.", got=str(alpha.shape)
            )
        self._check(alpha > 0, "every alpha must be greater than 0.")
        return alpha

    def _log_beta(self, alpha: Array) -> Array:
        return np.sum(sc.gammaln(alpha)) - sc.gammaln(np.sum(alpha))

    def _logpdf(self, x: Any, alpha: Any) -> Array:
        alpha = self._alpha("logpdf", alpha)
        x = as_array(x, self._operation("logpdf"))
        n = alpha.shape[0]
        if x.ndim not in (1, 2) or x.shape[0] not in (n, n - 1):
            raise ShapeError(
                "scipy.stats.dirichlet.logpdf: x must hold the components of alpha, or all but "
                "the last, along its first axis.",
                got=f"x {x.shape}, alpha {alpha.shape}",
            )
        if x.shape[0] == n - 1:
            x = np.concatenate([x, 1.0 - np.sum(x, axis=0, keepdims=True)])
        column = np.reshape(alpha, (n,) + (1,) * (x.ndim - 1))
        self._check((x >= 0) & (x <= 1), "the entries of x must lie between 0 and 1.")
        self._check((x > 0) | (column >= 1), "x must be greater than 0 where alpha is below 1.")
        self._check(np.abs(np.sum(x, axis=0) - 1.0) <= 1e-9, "the entries of x must add up to 1.")
        terms = sc.xlogy(column - 1.0, x)
        return np.squeeze(np.sum(terms, axis=0) - self._log_beta(alpha))

    def _pdf(self, x: Any, alpha: Any) -> Array:
        return np.exp(self._logpdf(x, alpha))

    def _mean(self, alpha: Any) -> Array:
        alpha = self._alpha("mean", alpha)
        return np.squeeze(alpha / np.sum(alpha))

    def _var(self, alpha: Any) -> Array:
        alpha = self._alpha("var", alpha)
        total = np.sum(alpha)
        return np.squeeze(alpha * (total - alpha) / (total * total * (total + 1.0)))

    def _entropy(self, alpha: Any) -> Array:
        alpha = self._alpha("entropy", alpha)
        total = np.sum(alpha)
        peak = (total - alpha.shape[0]) * sc.psi(total)
        return self._log_beta(alpha) + peak - np.sum((alpha - 1.0) * sc.psi(alpha))


class Multinomial(Multivariate):
    """The multinomial distribution; the numbers of trials and of hits are counts."""

    ours = ("logpmf", "pmf")

    def _logpmf(self, x: Any, n: Any, p: Any) -> Array:
        operation = self._operation("logpmf")
        given, n = as_array(x, operation), np.floor(as_array(n, operation))
        x = np.floor(given)
        p = self._double(p, "logpmf")
        if x.ndim == 0 or x.shape[-1] != p.shape[-1]:
            raise ShapeError(
                f"{operation}: the last axis of x must be that of p.",
                got=f"x {x.shape}, p {p.shape}",
            )
        # As SciPy does, the last probability makes the sum 1.
        off = np.abs(1.0 - np.sum(p, axis=-1, keepdims=True)) > 1e-6
        last = choose(~off, p[..., -1:], 1.0 - np.sum(p[..., :-1], axis=-1, keepdims=True))
        p = np.concatenate([p[..., :-1], last], axis=-1)
        valid = np.all((p >= 0) & (p <= 1), axis=-1) & (n >= 0)
        inside = np.all((x == given) & (x >= 0), axis=-1) & (np.sum(x, axis=-1) == n)
        terms = sc.xlogy(x, choose(p >= 0, p, 1.0)) - sc.gammaln(x + 1.0)
        y = sc.gammaln(n + 1.0) + np.sum(terms, axis=-1)
        return choose(valid, choose(inside, y, -np.inf), np.nan)

    def _pmf(self, x: Any, n: Any, p: Any) -> Array:
        return np.exp(self._logpmf(x, n, p))


multivariate_normal = MultivariateNormal("multivariate_normal")
dirichlet = Dirichlet("dirichlet")
multinomial = Multinomial("multinomial")
