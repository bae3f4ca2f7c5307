"""The examples run from any directory, and say what they should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(example: str, *options: str, cwd: Path) -> str:
    """Run an example with warnings as errors; return what it printed.

    One thread for linear algebra, since tests run side by side.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / example), *options],
        cwd=cwd,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_digits(tmp_path: Path) -> None:
    """A short training prints its progress, and a confusion matrix of all held-out images."""
    printed = run("digits.py", "--quick", cwd=tmp_path)
    assert len(re.findall(r"^ +\d+ +\d\.\d{3} +\d+\.\d{2}% +\d+\.\d{2}$", printed, re.M)) == 5
    total = int(re.search(r"(\d+) held out", printed)[1])
    assert total == 1797 // 5
    rows = re.findall(r"^ +\d((?: +(?:\d+|\.)){10})$", printed, re.M)
    counts = np.array([row.replace(".", "0").split() for row in rows], dtype=int)
    assert counts.shape == (10, 10)
    assert counts.sum() == total
    right = re.search(r"^Held-out accuracy: (.*)% \((\d+) of (\d+) images\)$", printed, re.M)
    assert (int(right[2]), int(right[3])) == (np.trace(counts), total)
    assert float(right[1]) > 90


def test_digits_misses_its_target(tmp_path: Path) -> None:
    """A run that is too short for the target accuracy fails, and says so."""
    with pytest.raises(AssertionError, match="below the target of 97%"):
        run("digits.py", "--epochs", "1", "--seed", "2", cwd=tmp_path)


def test_hare_lynx(tmp_path: Path) -> None:
    """The fit finds the known rates and draws its picture where it is told."""
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    printed = run("hare_lynx.py", "--quick", "--output", "fit.png", cwd=tmp_path)
    found = dict(re.findall(r"^(alpha|beta|gamma|delta) +(\d\.\d+)", printed, re.M))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {"alpha": 0.540, "beta": 0.0272, "gamma": 0.797, "delta": 0.0237}, rel=5e-3
    )
    assert "agree with the posterior means" in printed
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_co2(tmp_path: Path) -> None:
    """The forecast is better than a simple one; the derivative agrees with differences."""
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    printed = run("co2.py", "--quick", "--output", "co2.png", cwd=tmp_path)
    found = {
        name: (float(estimate), float(error))
        for name, estimate, error in re.findall(
            r"^(\w+: \w+) +(\d\S*) +(\d\S*) +\d\S*$", printed, re.M
        )
    }
    assert len(found) == 11
    assert found["noise: size"] == (pytest.approx(0.19, rel=0.02), pytest.approx(1.07, abs=0.02))
    assert found["season: size"][0] == pytest.approx(3.0, rel=0.05)
    slope, difference = re.search(
        r"direction: (\S+); by central differences: (\S+)", printed
    ).groups()
    assert float(slope) == pytest.approx(float(difference), abs=1e-3)
    error, simple = map(float, re.findall(r"(\d\.\d+) ppm$", printed, re.M))
    assert error < 1.2 < 2.0 < simple
    inside = int(re.search(r"inside the band of 90 % +(\d+)%", printed)[1])
    assert 80 < inside <= 100
    assert (tmp_path / "co2.png").read_bytes().startswith(b"\x89PNG")


def test_roots(tmp_path: Path) -> None:
    """The fit finds the orbit, and the next passage to within its error."""
    printed = run("roots.py", "--quick", cwd=tmp_path)
    rows = re.findall(r"^.{26} *(\d+\.\d+) +(\d+\.\d+) +(\d+\.\d+)$", printed, re.M)
    assert len(rows) == 4
    for truth, value, error in rows:
        assert float(value) == pytest.approx(float(truth), abs=4 * float(error) + 1e-6)
    value, error, truth = re.search(
        r"^Next perihelion: (\S+) \+- (\S+); truth (\S+)$", printed, re.M
    ).groups()
    assert float(value) == pytest.approx(float(truth), abs=4 * float(error))
    worst = re.search(r"^Derivatives of 1001 anomalies .* within (\S+)$", printed, re.M)[1]
    assert float(worst) < 1e-12


def test_interval(tmp_path: Path) -> None:
    """Interval arithmetic finds all stationary points."""
    printed = run("interval.py", cwd=tmp_path)
    assert "f between 0.2 and 0.3 is within [0.5603, 0.7839]" in printed
    rows = re.findall(
        r"^ *(-?\d\.\d+) +(-?\d\.\d+) +(-?\d\.\d+) .*(minimum|maximum)$", printed, re.M
    )
    assert len(rows) == int(re.search(r"^(\d+) stationary points", printed, re.M)[1]) == 9
    assert all(float(a) < float(x) < float(b) for a, b, x, _ in rows)
    assert [kind for *_, kind in rows] == (["minimum", "maximum"] * 5)[:9]


def test_interval_with_too_few_cells(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="take more cells"):
        run("interval.py", "--cells", "20", cwd=tmp_path)


def test_recurrence(tmp_path: Path) -> None:
    """Checkpointing needs a small part of the memory, and gives the same gradient."""
    printed = run("recurrence.py", "--quick", cwd=tmp_path)
    rows = re.findall(r"^(\w+(?:=\d+)?) +(\d+\.\d+) +(\d+\.\d+) +(\d\.\de[-+]\d+)$", printed, re.M)
    assert [row[0] for row in rows] == [
        "plain",
        "checkpoint_every=45",
        "checkpoints=100",
        "checkpoints=20",
    ]
    memory = [float(row[2]) for row in rows]
    assert max(memory[1:]) < memory[0] / 15
    assert all(float(row[3]) < 1e-12 for row in rows)
    pairs = re.findall(r"^(?:hares|lynxes) [\w ]+? +(-?\d+\.\d+) +(-?\d+\.\d+)$", printed, re.M)
    assert len(pairs) == 6
    for slope, difference in pairs:
        assert float(slope) == pytest.approx(float(difference), rel=1e-5)


@pytest.mark.parametrize("example", ["hare_lynx.py", "co2.py"])
def test_examples_say_what_is_missing(example: str, tmp_path: Path) -> None:
    """Without SciPy there is one clear line, and no traceback."""
    (tmp_path / "scipy.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, "-c", f"import runpy; runpy.run_path({str(EXAMPLES / example)!r})"],
        cwd=tmp_path,  # the directory that `-c` puts first on the path
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "This example needs SciPy's optimizer: pip install scipy"


def test_sparse_newton(tmp_path: Path) -> None:
    """Newton's method converges quadratically, with a Jacobian in a few passes."""
    pytest.importorskip("scipy")
    printed = run("sparse_newton.py", "--quick", cwd=tmp_path)
    assert "3600 x 3600, 17760 entries (0.137 %), 7 forward passes" in printed
    left = [float(r) for r in re.findall(r"^ +\d+ +(\d\.\de[+-]\d+)", printed, re.M)]
    assert len(left) <= 12
    assert left[-1] < 1e-6 < left[-3]
    assert float(re.search(r"error of the solution: (\S+),", printed)[1]) < 2e-3
