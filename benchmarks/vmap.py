"""What batching costs: `vmap` of a function beside NumPy's own call on the stacked arrays.

    python benchmarks/vmap.py [--quick] [--rows sin,linalg.svd]

One row a function that has a batched form in NumPy (or SciPy). Both sides run in turn, in one
process; the ratio of the medians is what counts. At most 2 is the aim: no hidden loops over lanes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wengert as wg

Function = Callable[..., Any]
RNG = np.random.default_rng(0)
LANES = 512


def draw(*shape: int) -> np.ndarray:
    """Random numbers for all lanes."""
    return RNG.uniform(0.5, 2.0, (LANES, *shape))


def matrices(n: int, k: int) -> np.ndarray:
    """Well-conditioned matrices for all lanes."""
    return draw(n, k) + 3.0 * np.eye(n, k)


def definite(n: int) -> np.ndarray:
    """Symmetric positive definite matrices for all lanes."""
    a = matrices(n, n)
    return a @ np.swapaxes(a, 1, 2)


V, W = draw(2000), draw(2000)
M = draw(40, 50)
A, B, S = matrices(12, 12), draw(12, 3), definite(12)
TALL = matrices(20, 8)
ORDER = np.argsort(RNG.uniform(size=(LANES, 2000)), axis=1)

ROWS: dict[str, tuple[Function, Function, tuple[np.ndarray, ...]]] = {
    # name: for one lane, for all lanes, arguments of all lanes
    "sin": (np.sin, np.sin, (V,)),
    "add": (np.add, np.add, (V, W)),
    "power": (np.power, np.power, (V, W)),
    "where": (lambda a, b: np.where(a > b, a, b), lambda a, b: np.where(a > b, a, b), (V, W)),
    "clip": (lambda a: np.clip(a, 0.7, 1.5), lambda a: np.clip(a, 0.7, 1.5), (V,)),
    "nan_to_num": (np.nan_to_num, np.nan_to_num, (V,)),
    "sinc": (np.sinc, np.sinc, (V,)),
    "i0": (np.i0, np.i0, (V,)),
    "sum": (np.sum, lambda a: np.sum(a, axis=1), (V,)),
    "mean": (np.mean, lambda a: np.mean(a, axis=1), (V,)),
    "var": (np.var, lambda a: np.var(a, axis=1), (V,)),
    "std": (np.std, lambda a: np.std(a, axis=1), (V,)),
    "max": (np.max, lambda a: np.max(a, axis=1), (V,)),
    "prod": (np.prod, lambda a: np.prod(a, axis=1), (V,)),
    "argmax": (np.argmax, lambda a: np.argmax(a, axis=1), (V,)),
    "median": (np.median, lambda a: np.median(a, axis=1), (V,)),
    "quantile": (lambda a: np.quantile(a, 0.3), lambda a: np.quantile(a, 0.3, axis=1), (V,)),
    "percentile": (
        lambda a: np.percentile(a, [10, 90]),
        lambda a: np.percentile(a, [10, 90], axis=1).T,
        (V,),
    ),
    "average": (
        lambda a, w: np.average(a, weights=w),
        lambda a, w: np.average(a, axis=1, weights=w),
        (V, W),
    ),
    "nansum": (np.nansum, lambda a: np.nansum(a, axis=1), (V,)),
    "nanmean": (np.nanmean, lambda a: np.nanmean(a, axis=1), (V,)),
    "nanmedian": (np.nanmedian, lambda a: np.nanmedian(a, axis=1), (V,)),
    "cumsum": (np.cumsum, lambda a: np.cumsum(a, axis=1), (V,)),
    "cumprod": (np.cumprod, lambda a: np.cumprod(a, axis=1), (V,)),
    "diff": (np.diff, np.diff, (V,)),
    "gradient": (np.gradient, lambda a: np.gradient(a, axis=1), (V,)),
    "trapezoid": (np.trapezoid, lambda a: np.trapezoid(a, axis=1), (V,)),
    "unwrap": (np.unwrap, np.unwrap, (V,)),
    "sort": (np.sort, np.sort, (V,)),
    "argsort": (np.argsort, np.argsort, (V,)),
    "partition": (lambda a: np.partition(a, 1000), lambda a: np.partition(a, 1000), (V,)),
    "take_along_axis": (np.take_along_axis, lambda a, i: np.take_along_axis(a, i, 1), (V, ORDER)),
    "x[i]": (lambda a, i: a[i], lambda a, i: np.take_along_axis(a, i, 1), (V, ORDER)),
    "x[1:-1]": (lambda a: a[1:-1] * 1.0, lambda a: a[:, 1:-1] * 1.0, (V,)),
    "reshape": (lambda a: a.reshape(50, 40) + 1, lambda a: a.reshape(-1, 50, 40) + 1, (M,)),
    "transpose": (lambda a: a.T + 1, lambda a: np.swapaxes(a, 1, 2) + 1, (M,)),
    "concatenate": (
        lambda a, b: np.concatenate([a, b]),
        lambda a, b: np.concatenate([a, b], axis=1),
        (V, W),
    ),
    "stack": (lambda a, b: np.stack([a, b]), lambda a, b: np.stack([a, b], axis=1), (V, W)),
    "pad": (lambda a: np.pad(a, 3), lambda a: np.pad(a, ((0, 0), (3, 3))), (V,)),
    "roll": (lambda a: np.roll(a, 3), lambda a: np.roll(a, 3, axis=1), (V,)),
    "flip": (lambda a: np.flip(a) + 1, lambda a: np.flip(a, 1) + 1, (V,)),
    "repeat": (lambda a: np.repeat(a, 2), lambda a: np.repeat(a, 2, axis=1), (V,)),
    "tile": (lambda a: np.tile(a, 2), lambda a: np.tile(a, (1, 2)), (V,)),
    "tril": (np.tril, np.tril, (M,)),
    "trace": (np.trace, lambda a: np.trace(a, axis1=1, axis2=2), (M,)),
    "matmul": (np.matmul, np.matmul, (M, np.swapaxes(M, 1, 2))),
    "dot": (np.dot, lambda a, b: np.vecdot(a, b), (V, W)),
    "einsum": (
        lambda a, b: np.einsum("ij,kj->ik", a, b),
        lambda a, b: np.einsum("nij,nkj->nik", a, b),
        (M, M),
    ),
    "outer": (np.outer, lambda a, b: a[:, :, None] * b[:, None, :], (M[:, 0], M[:, 1])),
    "cross": (np.cross, np.cross, (draw(600, 3), draw(600, 3))),
    "linalg.solve": (np.linalg.solve, np.linalg.solve, (A, B)),
    "linalg.inv": (np.linalg.inv, np.linalg.inv, (A,)),
    "linalg.det": (np.linalg.det, np.linalg.det, (A,)),
    "linalg.slogdet": (np.linalg.slogdet, np.linalg.slogdet, (A,)),
    "linalg.cholesky": (np.linalg.cholesky, np.linalg.cholesky, (S,)),
    "linalg.qr": (np.linalg.qr, np.linalg.qr, (TALL,)),
    "linalg.svd": (
        lambda a: np.linalg.svd(a, full_matrices=False),
        lambda a: np.linalg.svd(a, full_matrices=False),
        (TALL,),
    ),
    "linalg.eigh": (np.linalg.eigh, np.linalg.eigh, (S,)),
    "linalg.eigvalsh": (np.linalg.eigvalsh, np.linalg.eigvalsh, (S,)),
    "linalg.eig": (np.linalg.eig, np.linalg.eig, (A,)),
    "linalg.pinv": (np.linalg.pinv, np.linalg.pinv, (TALL,)),
    "linalg.matrix_power": (
        lambda a: np.linalg.matrix_power(a, 5),
        lambda a: np.linalg.matrix_power(a, 5),
        (A,),
    ),
    "linalg.norm": (np.linalg.norm, lambda a: np.linalg.norm(a, axis=1), (V,)),
    "linalg.norm(2)": (
        lambda a: np.linalg.norm(a, 2),
        lambda a: np.linalg.norm(a, 2, axis=(1, 2)),
        (TALL,),
    ),
    "linalg.cond": (np.linalg.cond, np.linalg.cond, (A,)),
    "fft.fft": (np.fft.fft, np.fft.fft, (V,)),
    "fft.rfft": (np.fft.rfft, np.fft.rfft, (V,)),
    "fft.irfft": (np.fft.irfft, np.fft.irfft, (V,)),
    "fft.fft2": (np.fft.fft2, np.fft.fft2, (M,)),
    "fft.fftshift": (np.fft.fftshift, lambda a: np.fft.fftshift(a, axes=1), (V,)),
}


def scipy_rows() -> dict[str, tuple[Function, Function, tuple[np.ndarray, ...]]]:
    """Rows that need SciPy."""
    import scipy.linalg
    import scipy.signal
    import scipy.special as sc
    import scipy.stats

    import wengert.scipy as wsp

    return {
        "special.erf": (sc.erf, sc.erf, (V,)),
        "special.gammaln": (sc.gammaln, sc.gammaln, (V,)),
        "special.gammainc": (sc.gammainc, sc.gammainc, (V, W)),
        "special.logsumexp": (
            wsp.special.logsumexp,
            lambda a: sc.logsumexp(a, axis=1),
            (V,),
        ),
        "special.softmax": (wsp.special.softmax, lambda a: sc.softmax(a, axis=1), (V,)),
        "linalg.expm": (wsp.linalg.expm, scipy.linalg.expm, (A,)),
        "stats.norm.logpdf": (wsp.stats.norm.logpdf, scipy.stats.norm.logpdf, (V,)),
        "stats.gamma.cdf": (wsp.stats.gamma.cdf, scipy.stats.gamma.cdf, (V, W)),
    }


def seconds(run: Function, repeats: int) -> float:
    """The median time of one call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print one line a function."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repetition, as a smoke test")
    parser.add_argument("--rows", help="only these, by name, with commas between them")
    options = parser.parse_args()
    quick = options.quick
    try:
        rows = {**ROWS, **scipy_rows()}
    except ImportError:
        rows = ROWS
    if options.rows:
        rows = {name: rows[name] for name in options.rows.split(",")}
    slow = []
    print(f"{'function':24} {'NumPy, us':>10} {'vmap, us':>10} {'ratio':>6}")
    for name, (one, every, args) in rows.items():
        batched = wg.vmap(one)
        for got, want in zip(
            wg.tree.leaves(batched(*args)), wg.tree.leaves(every(*args)), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-9, err_msg=name)
        repeats = 1 if quick else 15
        pairs = [
            (seconds(partial(every, *args), 3), seconds(partial(batched, *args), 3))
            for _ in range(repeats)
        ]
        theirs = statistics.median([p[0] for p in pairs])
        ours = statistics.median([p[1] for p in pairs])
        ratio = statistics.median([p[1] / p[0] for p in pairs])
        print(f"{name:24} {theirs * 1e6:10.0f} {ours * 1e6:10.0f} {ratio:6.2f}")
        if ratio > 2:
            slow.append(name)
    print(f"more than 2: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
