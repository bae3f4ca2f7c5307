"""The gradient of a recurrence of 100,000 steps, in little memory: hares and lynxes by leapfrog.

    python examples/recurrence.py            # 100,000 steps; some minutes
    python examples/recurrence.py --quick    # 2,000 steps, as CI runs it

The predator-prey model of Lotka and Volterra conserves a quantity, as mechanics conserves energy.
In the logs of both numbers it is stepped through time by the leapfrog (Stoermer-Verlet) method,
which keeps that quantity however many steps there are; the steps are so small that the numbers are
right to many digits. The misfit to the pelts that the Hudson's Bay Company collected from 1900 to
1920 is then differentiated by all parameters, back through every step.

Reverse mode keeps what each step computed. With `checkpoints=` or `checkpoint_every=`, `wg.scan`
keeps a few states only and computes the others again: the table shows memory, time, and by how much
the gradient differs. `examples/hare_lynx.py` fits the model; `data/README.md` tells of the data.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wengert as wg

Floats = NDArray[np.float64]

DATA = Path(__file__).parent / "data" / "hare_lynx.csv"
YEARS = 20
SPREAD = 0.25  # standard deviation of the logs of the counts
FITTED = {  # the posterior means that Carpenter (2018) found
    "hares grow": 0.545,
    "hares are eaten": 0.028,
    "lynxes die": 0.803,
    "lynxes grow": 0.024,
    "hares in 1900": 33.96,
    "lynxes in 1900": 5.93,
}


def load() -> tuple[Floats, Floats]:
    """The pelts of each year, in thousands: hares and lynxes."""
    with DATA.open() as lines:
        names = next(lines).strip().split(",")
        columns = dict(zip(names, np.loadtxt(lines, delimiter=",").T, strict=True))
    return columns["hare"], columns["lynx"]


def misfit(logs: dict[str, Any], hares: Floats, lynxes: Floats, steps: int, **how: Any) -> Any:
    """Minus the log-likelihood of the counts, up to a constant; all parameters come as logs."""
    k = {name: np.exp(v) for name, v in logs.items()}
    h = YEARS / steps

    def leapfrog(state: tuple[Any, Any], _: None) -> Any:
        hare, lynx = state
        hare = hare + h / 2 * (k["hares grow"] - k["hares are eaten"] * np.exp(lynx))
        lynx = lynx + h * (k["lynxes grow"] * np.exp(hare) - k["lynxes die"])
        hare = hare + h / 2 * (k["hares grow"] - k["hares are eaten"] * np.exp(lynx))
        return (hare, lynx), (hare, lynx)

    start = logs["hares in 1900"], logs["lynxes in 1900"]
    _, path = wg.scan(leapfrog, start, length=steps, **how)
    total = 0.0
    for first, logs_after, counts in zip(start, path, (hares, lynxes), strict=True):
        found = logs_after[steps // YEARS - 1 :: steps // YEARS]  # at the end of each year
        total = total + np.sum((found - np.log(counts[1:])) ** 2) + (first - np.log(counts[0])) ** 2
    return total / (2 * SPREAD**2)


def measured(f: Any, *args: Any) -> tuple[Any, float, float]:
    """The result of a call, its time in seconds, and the most memory that it needed, in MB."""
    start = time.perf_counter()
    result = f(*args)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    f(*args)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return result, seconds, peak


def main() -> None:
    """Differentiate in four ways, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    steps = 2_000 if parser.parse_args().quick else 100_000
    hares, lynxes = load()
    logs = {name: np.log(v) for name, v in FITTED.items()}
    ways: dict[str, dict[str, int]] = {
        "plain": {},
        f"checkpoint_every={round(steps**0.5)}": {"checkpoint_every": round(steps**0.5)},
        "checkpoints=100": {"checkpoints": 100},
        "checkpoints=20": {"checkpoints": 20},
    }
    print(f"The gradient through {steps:,} steps:\n")
    print(f"{'':24}{'seconds':>9}{'peak MB':>10}{'difference':>12}")
    due: dict[str, Any] = {}
    for name, how in ways.items():
        f = wg.grad(lambda logs, how=how: misfit(logs, hares, lynxes, steps, **how))
        gradient, seconds, peak = measured(f, logs)
        due = due or gradient
        scale = max(abs(v) for v in due.values())
        difference = max(abs(gradient[k] - due[k]) for k in due) / scale
        print(f"{name:24}{seconds:9.2f}{peak:10.2f}{difference:12.1e}")

    print(f"\n{'log of':20}{'gradient':>12}{'by difference':>16}")
    for name, slope in due.items():
        at = [misfit({**logs, name: logs[name] + e}, hares, lynxes, steps) for e in (1e-5, -1e-5)]
        print(f"{name:20}{slope:12.6f}{(at[0] - at[1]) / 2e-5:16.6f}")


if __name__ == "__main__":
    main()
