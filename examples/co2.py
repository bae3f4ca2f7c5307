"""Forecast the carbon dioxide over Mauna Loa with a Gaussian process, and see how it turned out.

    python examples/co2.py            # fit to 1958-1991, forecast 1992-2001; writes co2.png
    python examples/co2.py --quick    # the same with fewer years to fit to, as CI runs it

The model is the sum of kernels of Rasmussen and Williams, "Gaussian Processes for Machine Learning"
(2006), section 5.4.3, written in plain NumPy: a Cholesky factor, two solves, no derivative. Its
eleven hyperparameters are fitted by SciPy with `wg.value_and_grad`. `wg.hessian` says how sure they
are, and `wg.jacobian` what that means for the forecast.

The data are monthly means of the weekly record of the Scripps Institution of Oceanography (Keeling
and Whorf, 2004; public domain); `data/README.md` says where they come from and what was done.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import wengert as wg

try:
    from scipy.optimize import minimize
except ImportError:
    sys.exit("This example needs SciPy's optimizer: pip install scipy")
try:
    from matplotlib.figure import Figure
except ImportError:
    HAS_MATPLOTLIB = False
else:
    HAS_MATPLOTLIB = True

Floats = NDArray[np.float64]
Params = dict[str, Any]  # the logs of the hyperparameters, by name

DATA = Path(__file__).parent / "data" / "co2_mauna_loa.csv"
FORECAST = 1992.0  # what was measured from here on is held out
FIRST_GUESS = {  # ppm and years; sorted by name, as `wg.tree.flatten` does
    "irregular: scale": 1.0,
    "irregular: shape": 1.0,
    "irregular: size": 1.0,
    "noise: size": 0.2,
    "season: decay": 50.0,
    "season: shape": 1.0,
    "season: size": 3.0,
    "trend: scale": 50.0,
    "trend: size": 50.0,
    "weather: scale": 0.2,
    "weather: size": 0.2,
}
BOOK = (1.2, 0.78, 0.66, 0.19, 90.0, 1.3, 2.4, 67.0, 66.0, 0.13, 0.18)  # fitted to 1958-2003
PRIOR = np.log(10) / 2  # standard deviation of the logs about the first guess: a factor of 10 is 2
BAND = 1.645  # standard deviations that hold 90 % of a normal distribution


class Series(NamedTuple):
    """Concentrations, in ppm, at times in years."""

    times: Floats
    ppm: Floats


def load(first_year: float) -> tuple[Series, Series]:
    """Read the monthly means: those to fit to, from `first_year` on, and those held out."""
    times, ppm = np.loadtxt(DATA, delimiter=",", skiprows=1, usecols=(1, 2), unpack=True)
    train, held_out = (times >= first_year) & (times < FORECAST), times >= FORECAST
    return Series(times[train], ppm[train]), Series(times[held_out], ppm[held_out])


# The model, in plain NumPy.


def kernel(params: Params, a: Floats, b: Floats) -> Floats:
    """The covariances of the true concentrations at the times `a` and at the times `b`."""
    p = {name: np.exp(log) for name, log in params.items()}
    years = a[:, None] - b
    squared = years**2
    sine = np.sin(np.pi * years)
    trend = np.exp(-squared / (2 * p["trend: scale"] ** 2))
    season = np.exp(-squared / (2 * p["season: decay"] ** 2) - 2 * (sine / p["season: shape"]) ** 2)
    shape = p["irregular: shape"]
    irregular = (1 + squared / (2 * shape * p["irregular: scale"] ** 2)) ** -shape
    weather = np.exp(-squared / (2 * p["weather: scale"] ** 2))
    total: Floats = (
        p["trend: size"] ** 2 * trend
        + p["season: size"] ** 2 * season
        + p["irregular: size"] ** 2 * irregular
        + p["weather: size"] ** 2 * weather
    )
    return total


def factor(params: Params, times: Floats) -> Floats:
    """The Cholesky factor of the covariance of what is measured: the kernel plus noise."""
    noise = np.exp(2 * params["noise: size"]) * np.eye(len(times))
    lower: Floats = np.linalg.cholesky(kernel(params, times, times) + noise)
    return lower


def log_likelihood(params: Params, data: Series) -> Any:
    """The log density of the data, about their mean, under the Gaussian process."""
    lower = factor(params, data.times)
    z = np.linalg.solve(lower, data.ppm - np.mean(data.ppm))
    n = len(data.times)
    return -np.sum(z**2) / 2 - np.sum(np.log(np.diag(lower))) - n / 2 * np.log(2 * np.pi)


def predict(params: Params, data: Series, times: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of what is measured at `times`, given the data."""
    lower = factor(params, data.times)
    mean = np.mean(data.ppm)
    z = np.linalg.solve(lower, data.ppm - mean)
    v = np.linalg.solve(lower, kernel(params, data.times, times))
    size = sum(np.exp(2 * params[name]) for name in params if name.endswith("size"))
    return mean + z @ v, size - np.sum(v**2, axis=0)


# What is done with it.

GUESS, STRUCTURE = wg.tree.flatten({name: np.log(v) for name, v in FIRST_GUESS.items()})


def unpack(logs: Floats) -> Params:
    """The dict that the model takes, from the vector that SciPy's optimizer works on."""
    params: Params = wg.tree.unflatten(STRUCTURE, list(logs))
    return params


def loss(logs: Floats, data: Series) -> Any:
    """Minus the log of likelihood times prior (without the prior's constant).

    The prior is wide. It is there because without it the shape of the irregular part runs off to
    infinity, where this part becomes a Gaussian: these data cannot tell.
    """
    return np.sum(((logs - GUESS) / PRIOR) ** 2) / 2 - log_likelihood(unpack(logs), data)


def fit(data: Series) -> Floats:
    """Maximize the posterior by L-BFGS, printing the progress; returns the logs."""
    iteration = 0

    def progress(intermediate_result: Any) -> None:
        nonlocal iteration
        iteration += 1
        if iteration % 10 == 1:
            print(f"{iteration:9d}  {intermediate_result.fun:22.4f}", flush=True)

    print("iteration  negative log-posterior")
    start = time.perf_counter()
    found = minimize(
        wg.value_and_grad(loss),
        np.array(GUESS),
        args=(data,),
        jac=True,
        method="L-BFGS-B",
        callback=progress,
    )
    seconds = time.perf_counter() - start
    if not found.success:
        sys.exit(f"The fit did not converge: {found.message}")
    print(f"{found.nit:9d}  {found.fun:22.4f}  ({found.nfev} gradients in {seconds:.1f} s)\n")
    best: Floats = found.x
    return best


def check_gradient(logs: Floats, data: Series) -> None:
    """Compare a derivative with differences, and the time of the gradient with the function's."""
    direction = np.random.default_rng(0).normal(size=len(logs))
    slope = wg.grad(loss)(logs, data) @ direction
    step = 1e-4 * direction
    difference = (loss(logs + step, data) - loss(logs - step, data)) / 2e-4
    print(f"Slope in a random direction: {slope:.5f}; by central differences: {difference:.5f}")
    value_and_grad = wg.value_and_grad(loss)
    taken: list[list[float]] = [[], []]
    for _ in range(10):  # in turns, and the shortest counts, for other work disturbs
        for seconds, call in zip(taken, (loss, value_and_grad), strict=True):
            start = time.perf_counter()
            call(logs, data)
            seconds.append(time.perf_counter() - start)
    plain, both = min(taken[0]), min(taken[1])
    print(
        f"The plain function takes {1e3 * plain:.1f} ms, value and gradient {1e3 * both:.1f} ms: "
        f"{both / plain:.1f} times as long.\n"
    )


def report(best: Floats, covariance: Floats) -> None:
    """Print the estimates, and the factor up or down that one standard error makes."""
    print("hyperparameter    estimate  times or over   book")
    errors = np.exp(np.sqrt(np.diag(covariance)))
    for name, log, error, book in zip(FIRST_GUESS, best, errors, BOOK, strict=True):
        print(f"{name:16}  {np.exp(log):8.3g}  {error:13.2f}  {book:5.3g}")
    print("(sizes in ppm, scales and decay in years, shapes without a unit)\n")


def forecast(
    best: Floats, covariance: Floats, data: Series, times: Floats
) -> tuple[Floats, Floats]:
    """Mean and standard deviation of what is measured, with the hyperparameters' uncertainty.

    To first order, that adds J C J' to the variance, with J the derivative of the mean by the
    hyperparameters.
    """
    mean, variance = predict(unpack(best), data, times)
    slopes = wg.jacobian(lambda logs: predict(unpack(logs), data, times)[0])(best)
    return mean, np.sqrt(variance + np.sum((slopes @ covariance) * slopes, axis=1))


def least_squares(data: Series, times: Floats) -> Floats:
    """What to compare with: a parabola, and a year of two harmonics."""

    def columns(t: Floats) -> Floats:
        turns = 2 * np.pi * t
        years = t - FORECAST
        waves = [np.sin(turns), np.cos(turns), np.sin(2 * turns), np.cos(2 * turns)]
        return np.stack([np.ones_like(t), years, years**2, *waves], axis=1)

    weights = np.linalg.lstsq(columns(data.times), data.ppm)[0]
    values: Floats = columns(times) @ weights
    return values


def compare(held_out: Series, mean: Floats, deviation: Floats, simple: Floats) -> None:
    """Print how the forecast turned out."""
    errors, others = held_out.ppm - mean, held_out.ppm - simple
    inside = np.mean(np.abs(errors) < BAND * deviation)
    print(f"Forecast from {FORECAST:.0f} on, {len(errors)} months that the fit has not seen:")
    print(f"  root mean square error              {np.sqrt(np.mean(errors**2)):.2f} ppm")
    print(f"  the same of a parabola with a year  {np.sqrt(np.mean(others**2)):.2f} ppm")
    print(f"  months inside the band of 90 %      {inside:.0%}")
    print("(months err together: what one slow year does moves the share a lot)")


def draw(best: Floats, covariance: Floats, train: Series, held_out: Series, path: Path) -> None:
    """Draw the forecast over all years, the years held out, and what the mean leaves over."""
    color = "tab:blue"
    times = np.arange(train.times[0], held_out.times[-1], 1 / 24)
    mean, deviation = forecast(best, covariance, train, times)
    low, high = mean - BAND * deviation, mean + BAND * deviation

    figure = Figure(figsize=(9, 10), layout="constrained")
    figure.suptitle("Carbon dioxide over Mauna Loa, and the forecast of a Gaussian process")
    whole, late, rest = figure.subplots(3)
    for axes, size in (whole, 1.8), (late, 3.5):
        axes.fill_between(times, low, high, color=color, alpha=0.25, lw=0, label="90 % range")
        axes.plot(times, mean, color=color, lw=1, label="fit, then forecast")
        axes.plot(*train, "ko", ms=size, label="months fitted to")
        axes.plot(*held_out, "o", color="tab:red", ms=size, label="months held out")
        axes.set(ylabel="CO$_2$ (ppm)")
    whole.legend(loc="upper left", frameon=False)
    shown = times >= FORECAST - 4
    late.set(xlim=(FORECAST - 4, 2002.2), ylim=(low[shown].min() - 1, high[shown].max() + 1))
    for series, style in (train, "k"), (held_out, "tab:red"):
        expected, error = forecast(best, covariance, train, series.times)
        rest.fill_between(series.times, -BAND * error, BAND * error, color=color, alpha=0.25, lw=0)
        rest.plot(series.times, series.ppm - expected, "o", color=style, ms=2)
    rest.axhline(0, color=color, lw=1)
    rest.annotate(
        "slow growth after\nPinatubo's eruption\nof June 1991",
        (1993.6, -2.15),
        (1984, -3),
        ha="center",
        va="center",
        arrowprops={"arrowstyle": "->", "color": "gray"},
    )
    rest.set(ylabel="Measured minus mean (ppm)", xlabel="Year")
    for axes in whole, late, rest:
        axes.spines[["top", "right"]].set_visible(False)
        axes.axvline(FORECAST, color="gray", lw=0.8, ls="--")
    figure.savefig(path, dpi=150)
    print(f"Picture: {path}")


def main() -> None:
    """Fit, report, forecast and draw."""
    parser = argparse.ArgumentParser(description="Forecast carbon dioxide with a Gaussian process.")
    parser.add_argument("--quick", action="store_true", help="fit to 1976-1991 only")
    parser.add_argument("--output", type=Path, default=Path("co2.png"), help="the picture")
    options = parser.parse_args()

    train, held_out = load(1976 if options.quick else 1958)
    print(f"{len(train.times)} months to fit to, {len(held_out.times)} held out\n")
    best = fit(train)
    check_gradient(best + 0.1, train)  # at the estimates themselves, all slopes are zero
    # Four columns of the Hessian at a time take half the memory that all eleven take.
    covariance = np.linalg.inv(wg.hessian(loss, chunk_size=4)(best, train))
    report(best, covariance)
    mean, deviation = forecast(best, covariance, train, held_out.times)
    compare(held_out, mean, deviation, least_squares(train, held_out.times))
    if HAS_MATPLOTLIB:
        draw(best, covariance, train, held_out, options.output)
    else:
        print("No picture: it needs matplotlib (pip install matplotlib).")


if __name__ == "__main__":
    main()
