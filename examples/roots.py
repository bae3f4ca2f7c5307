"""Fit the orbit of a comet. Each position takes the solution of an equation, and the fit takes the
derivatives of these solutions.

    python examples/roots.py            # 2,000 sightings
    python examples/roots.py --quick    # 100 sightings: what CI runs

Where a comet is at a given time follows from Kepler's equation, x - e sin(x) = mean anomaly, which
has no solution in closed form. `wg.root` solves it for all times together; each has its own number
of Newton's steps. By the implicit function theorem, the solutions have derivatives by the elements
of the orbit.

The sightings are made up: positions in the plane of the orbit of Halley's comet, with errors, from
a year and a half around its passage of 1986. The period that they tell is 75 years.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wengert as wg

Floats = NDArray[np.float64]

NAMES = ("perihelion distance (au)", "eccentricity", "time of perihelion", "direction (degrees)")
HALLEY = np.array([0.5871, 0.96714, 1986.111, 111.33])
GUESS = np.array([0.7, 0.9, 1986.0, 100.0])
ERROR = 1e-3  # of each coordinate, in astronomical units


def anomaly(e: Any, mean: Any) -> Any:
    """The eccentric anomaly of one position: Kepler's equation, solved."""
    return wg.root(lambda x: x - e * np.sin(x) - mean, mean)


def period(elements: Any) -> Any:
    """The time of one revolution in years, by Kepler's third law."""
    q, e, _, _ = elements
    return (q / (1 - e)) ** 1.5


def positions(elements: Any, times: Floats) -> Any:
    """Coordinates at these times, in the plane of the orbit."""
    q, e, start, direction = elements
    mean = 2 * np.pi * (times - start) / period(elements)
    x = wg.vmap(anomaly, in_axes=(None, 0))(e, mean)
    a = q / (1 - e)
    along, across = a * (np.cos(x) - e), a * np.sqrt(1 - e**2) * np.sin(x)
    turn = np.deg2rad(direction)
    return np.stack([
        along * np.cos(turn) - across * np.sin(turn),
        along * np.sin(turn) + across * np.cos(turn),
    ])  # fmt: skip


def fit(times: Floats, seen: Floats) -> tuple[Floats, Floats, int]:
    """Elements, their covariance, and the number of steps: least squares by Levenberg's method."""

    def residuals(elements: Any) -> Any:
        return np.ravel(positions(elements, times) - seen) / ERROR

    elements, damping = GUESS, 1e-3
    for step in range(100):  # noqa: B007 - how many it took is a result
        r, j = wg.value_and_jacobian(residuals)(elements)
        normal = j.T @ j
        move = -np.linalg.solve(normal + damping * np.diag(np.diag(normal)), j.T @ r)
        new = elements + move
        better = 0 < new[1] < 1 and new[0] > 0 and np.sum(residuals(new) ** 2) <= np.sum(r**2)
        if better:
            elements, damping = new, damping / 10
        else:
            damping *= 10
        if np.sum((normal @ move) * move) < 1e-6:  # beside the errors of the elements, nothing
            break
    return elements, np.linalg.inv(normal), step + 1


def main() -> None:
    """Make sightings up, fit the orbit, and check both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few sightings")
    count = 100 if parser.parse_args().quick else 2000
    rng = np.random.default_rng(1986)
    times = np.sort(rng.uniform(1985.4, 1986.9, count))
    seen = positions(HALLEY, times) + rng.normal(scale=ERROR, size=(2, count))

    began = time.perf_counter()
    elements, covariance, steps = fit(times, seen)
    took = time.perf_counter() - began
    errors = np.sqrt(np.diag(covariance))
    print(f"{count} sightings, {steps} steps of the fit, {took:.2f} s\n")
    print(f"{'':<26}{'truth':>12}{'fitted':>14}{'error':>12}")
    for name, truth, value, error in zip(NAMES, HALLEY, elements, errors, strict=True):
        print(f"{name:<26}{truth:>12.5f}{value:>14.6f}{error:>12.6f}")

    def next_passage(elements: Any) -> Any:
        return elements[2] + period(elements)

    slope = wg.grad(next_passage)(elements)
    error = np.sqrt(slope @ covariance @ slope)
    print(f"\nNext perihelion: {next_passage(elements):.2f} +- {error:.2f}", end="")
    print(f"; truth {next_passage(HALLEY):.2f}")

    # What the implicit function theorem gives, beside the formula for this equation.
    means = np.linspace(-np.pi, np.pi, 10 * count + 1)
    e = HALLEY[1]
    x, by_e = wg.vmap(wg.value_and_grad(anomaly), in_axes=(None, 0))(e, means)
    worst = np.max(np.abs(by_e - np.sin(x) / (1 - e * np.cos(x))))
    print(f"Derivatives of {len(means)} anomalies by the eccentricity: within {worst:.0e}")
    assert worst < 1e-9, "the derivative is not that of the formula"
    off = np.abs(elements - HALLEY) / errors
    assert np.all(off < 4), f"the elements are {off.round(1)} errors from the truth"


if __name__ == "__main__":
    main()
