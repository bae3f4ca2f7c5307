"""Fit the Lotka-Volterra equations to a century-old record of hares and lynxes.

    python examples/hare_lynx.py            # estimates with standard errors, and hare_lynx.png
    python examples/hare_lynx.py --quick    # the same less exactly, with fewer samples, as CI does

`wg.odeint` solves the equations, with steps whose size adapts to them. `wg.value_and_grad`
differentiates the solution for SciPy's optimizer, `wg.hessian` says how sure the estimates are, and
`wg.vmap` solves the equations for a thousand sets of parameters at once, each with steps of its
own, to show what that means for the curves.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

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

DATA = Path(__file__).parent / "data" / "hare_lynx.csv"
NAMES = ("alpha", "beta", "gamma", "delta", "hare(1900)", "lynx(1900)", "sigma_hare", "sigma_lynx")
STAN = {"alpha": "0.55", "beta": "0.028", "gamma": "0.80", "delta": "0.024"}  # as published


def trajectory(log_params: Floats, times: Floats, tolerance: float) -> Floats:
    """Solve the Lotka-Volterra equations.

        d hare / dt = (alpha - beta lynx) hare        d lynx / dt = (delta hare - gamma) lynx

    They are solved for z = (log hare, log lynx): dz / dt = growth + coupling * exp(z reversed).
    Returns z at the times, an array of two columns; at times[0] it is log_params[4:6].
    """
    alpha, beta, gamma, delta = np.exp(log_params[:4])

    def slope(z: Floats, t: float, growth: Floats, coupling: Floats) -> Any:
        return growth + coupling * np.exp(z[::-1])

    growth = np.stack([alpha, -gamma])
    coupling = np.stack([-beta, delta])
    solution: Floats = wg.odeint(
        slope, log_params[4:6], times, growth, coupling, rtol=tolerance, atol=tolerance
    )
    return solution


def negative_log_likelihood(log_params: Floats, pelts: Floats, tolerance: float) -> Any:
    """Minus the log density of the pelts, each log-normal about the solution at its year."""
    log_sigma = log_params[6:]
    expected = trajectory(log_params, np.arange(float(len(pelts))), tolerance)
    residuals = (np.log(pelts) - expected) / np.exp(log_sigma)
    return np.sum(residuals**2 / 2 + log_sigma + np.log(2 * np.pi) / 2 + np.log(pelts))


def first_guess(pelts: Floats) -> Floats:
    """Rates for a period of about ten years, 2 pi / sqrt(alpha gamma), about the mean pelts.

    Over a full period the mean hare is gamma / delta, and the mean lynx alpha / beta.
    """
    rate = 2 * np.pi / 10
    hare, lynx = np.mean(pelts, axis=0)
    return np.log([rate, rate / lynx, rate, rate / hare, *pelts[0], 0.5, 0.5])


def fit(pelts: Floats, tolerance: float) -> Floats:
    """Maximize the likelihood by BFGS, printing the progress; returns the logs of the estimates."""
    iteration = 0

    def progress(intermediate_result: Any) -> None:
        nonlocal iteration
        iteration += 1
        if iteration % 5 == 1:
            print(f"{iteration:9d}  {intermediate_result.fun:22.4f}", flush=True)

    print("iteration  negative log-likelihood")
    start = time.perf_counter()
    found = minimize(
        wg.value_and_grad(negative_log_likelihood),
        first_guess(pelts),
        args=(pelts, tolerance),
        jac=True,
        method="BFGS",
        callback=progress,
    )
    seconds = time.perf_counter() - start
    if not found.success:
        sys.exit(f"The fit did not converge: {found.message}")
    print(f"{found.nit:9d}  {found.fun:22.4f}  ({found.nfev} gradients in {seconds:.2f} s)\n")
    best: Floats = found.x
    return best


def report(best: Floats, covariance: Floats) -> None:
    """Print estimates and standard errors: by the delta method, se(p) = p * se(log p)."""
    estimates = np.exp(best)
    errors = estimates * np.sqrt(np.diag(covariance))
    print("parameter   estimate  std. error    Stan")
    for name, estimate, error in zip(NAMES, estimates, errors, strict=True):
        print(f"{name:10}  {estimate:8.4f}  {error:10.4f}  {STAN.get(name, '-'):>6}")
    published = np.array([float(mean) for mean in STAN.values()])
    away = np.max(np.abs(estimates[:4] - published) / errors[:4])
    verdict = "agree with" if away < 1 else "differ from"
    print(
        f"\nThe rates {verdict} the posterior means of the Stan case study (Carpenter, 2018), which"
        f"\nalso has weak priors: the largest difference is {away:.2f} standard errors."
    )


def draw(
    pelts: Floats, best: Floats, covariance: Floats, tolerance: float, samples: int, path: Path
) -> None:
    """Draw the data, the fit and two bands of 90 %: where the curve is, and where pelts fall."""
    years = np.arange(float(len(pelts)))
    times = np.linspace(0, years[-1], 10 * len(years) - 9)
    rng = np.random.default_rng(0)
    params = rng.multivariate_normal(best, covariance, size=samples)
    curves = wg.vmap(lambda p: trajectory(p, times, tolerance))(params)
    noise = np.exp(params[:, 6:]) * rng.normal(size=(samples, 2))
    curve_band = np.exp(np.quantile(curves, [0.05, 0.95], axis=0))
    pelts_band = np.exp(np.quantile(curves + noise[:, None], [0.05, 0.95], axis=0))
    curve = np.exp(trajectory(best, times, tolerance))

    figure = Figure(figsize=(9, 7), layout="constrained")
    figure.suptitle("Pelts of the Hudson's Bay Company and a fit of the Lotka-Volterra equations")
    hare, lynx = figure.subplots(2, sharex=True)
    for k, axes, color, between_peaks in (0, hare, "tab:blue", 0.39), (1, lynx, "tab:red", 0.47):
        axes.plot(1900 + years, pelts[:, k], "ko", ms=5, zorder=3, label="data")
        axes.plot(1900 + times, curve[:, k], color=color, label="fit")
        shade = partial(axes.fill_between, 1900 + times, color=color, lw=0)
        shade(*curve_band[:, :, k], alpha=0.35, label="90 % range of the fit")
        shade(*pelts_band[:, :, k], alpha=0.12, label="90 % range of a year's pelts")
        axes.legend(loc="upper center", bbox_to_anchor=(between_peaks, 1), frameon=False)
        axes.set(xlim=(1899.5, 1920.5), ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    hare.set(ylabel="Hare pelts (thousands)")
    lynx.set(ylabel="Lynx pelts (thousands)", xlabel="Year", xticks=range(1900, 1921, 2))
    figure.savefig(path, dpi=150)
    print(f"Picture: {path}")


def main() -> None:
    """Fit, report and draw."""
    parser = argparse.ArgumentParser(description="Fit Lotka-Volterra to hare and lynx pelts.")
    parser.add_argument("--quick", action="store_true", help="less exactly, with fewer samples")
    parser.add_argument("--output", type=Path, default=Path("hare_lynx.png"), help="the picture")
    options = parser.parse_args()
    tolerance, samples = (1e-5, 200) if options.quick else (1e-8, 1000)

    pelts = np.loadtxt(DATA, delimiter=",", skiprows=1, usecols=(1, 2))
    best = fit(pelts, tolerance)
    covariance = np.linalg.inv(wg.hessian(negative_log_likelihood)(best, pelts, tolerance))
    report(best, covariance)
    if HAS_MATPLOTLIB:
        draw(pelts, best, covariance, tolerance, samples, options.output)
    else:
        print("No picture: it needs matplotlib (pip install matplotlib).")


if __name__ == "__main__":
    main()
