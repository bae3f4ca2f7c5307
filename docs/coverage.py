"""Writes coverage.md: what of NumPy and SciPy works on traced values, from the registries.

    python docs/coverage.py            write docs/coverage.md
    python docs/coverage.py --check    fail if it is not what the registries say

The tables of `wengert.core.dispatch` say which functions have a rule, those of
`wengert.core.refused` why others have none, the spec table which results have a derivative.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from specs import SPECS, Case  # noqa: E402  # the tests are no package

from wengert.core import dispatch, refused  # noqa: E402  # after the tests' folder

PAGE = ROOT / "docs" / "coverage.md"
PEERS = ROOT / "tests" / "data" / "differentiable_by_peers.txt"
SCIPY = ("special", "linalg", "stats", "fft", "signal", "integrate", "interpolate", "ndimage")
INTRODUCTION = """# Coverage

What works on traced values. This page is made by `python docs/coverage.py` from the registries, for
NumPy {version}; a test fails when it is stale.

- **Differentiable**: under every transformation, through plain `np.` and through `wengert.numpy`.
- **Without a derivative**: the result is an integer, a bool, a shape, or piecewise constant. Under
  `grad` and `jvp` it is a plain value; in `vmap` and in programs it is traced.
- **Refused**: raises an error with the name, the reason and what to do instead.
"""
PEERS_HAVE = (
    "Of the {numpys} names of NumPy and the {scipys} of SciPy that jax.numpy or autograd can "
    "differentiate, {missing} here{names}."
)


def derivatives() -> dict[Any, bool]:
    """For everything that a spec row covers: whether some row has a derivative."""
    found: dict[Any, bool] = {}
    for spec in SPECS:
        cases = [Case(spec, sample) for sample in spec.samples if sample.derivative]
        has = spec.order > 0 and any(
            c.differentiable(c.draw(np.random.default_rng(0))) for c in cases
        )
        for f in spec.covers:
            found[f] = found.get(f, False) or has
    return found


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The functions of a module of NumPy, each under every name that it has."""
    for name in sorted(vars(module), key=str.lower):
        value = getattr(module, name)
        works_on_arrays = isinstance(value, np.ufunc) or hasattr(value, "_implementation")
        if not name.startswith("_") and works_on_arrays:
            yield name, value


def listed(names: list[str]) -> str:
    """Names in running text."""
    return ", ".join([f"`{n}`" for n in names]) or "none"


def wrapped(text: str) -> str:
    """A paragraph in lines of at most 100 columns."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False) + "\n"


def section(title: str, groups: dict[str, list[str]]) -> str:
    """One module's lists."""
    lines = [f"## {title}\n"]
    lines += [
        wrapped(f"**{group}** ({len(names)}): {listed(names)}")
        for group, names in groups.items()
        if names
    ]
    return "\n".join(lines)


def of_numpy(title: str, module: ModuleType, has: dict[Any, bool]) -> str:
    """The lists for a module of NumPy."""
    groups: dict[str, list[str]] = {"Differentiable": [], "Without a derivative": [], "Refused": []}
    for name, f in public(module):
        if f in dispatch.FUNCTIONS or f in dispatch.UFUNCS:
            groups["Differentiable" if has.get(f) else "Without a derivative"].append(name)
        else:
            groups["Refused"].append(name)
    return section(title, groups)


def of_scipy(package: str) -> str:
    """The lists for a package of SciPy: the names that `wengert.scipy` has of its own."""
    module, scipys = (import_module(f"{p}.{package}") for p in ("wengert.scipy", "scipy"))
    ufuncs = {
        n
        for n, f in vars(scipys).items()
        if n[0] != "_" and (isinstance(f, np.ufunc) or (callable(f) and f in dispatch.FUNCTIONS))
    }
    groups: dict[str, list[str]] = {"Traced": [], "Distributions": [], "Not yet": []}
    for name in sorted({*module.__all__, *ufuncs}, key=str.lower):
        value = getattr(module, name)
        listed_or_traced = name in module.__all__ or has_rule(getattr(scipys, name))
        if name in ufuncs and not listed_or_traced:
            groups["Not yet"].append(name)
            continue
        is_distribution = hasattr(value, "logpdf") or hasattr(value, "logpmf")
        groups["Distributions" if is_distribution else "Traced"].append(name)
    return section(f"scipy.{package}", groups)


def refusals() -> str:
    """A table of reasons."""
    rows = {**refused.FUNCTIONS, **{f"ndarray.{k}": v for k, v in refused.METHODS.items()}}
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, reason in rows.items():
        by_reason.setdefault(reason, []).append(name)
    lines = ["## Refused, and why\n", "| names | why | instead |", "| --- | --- | --- |"]
    lines += [
        f"| {listed(names)} | {why} | {instead} |".replace("\n", " ")
        for (why, instead), names in by_reason.items()
    ]
    return "\n".join(lines) + "\n"


def has_rule(function: Any) -> bool:
    """True if the registries know the function."""
    return function in dispatch.FUNCTIONS or function in dispatch.UFUNCS


def supports(name: str) -> bool:
    """True if a name of the peers' list, such as scipy.stats.norm.pdf, is traced here."""
    package, _, rest = name.partition(".")
    if package == "numpy":
        value: Any = np
        for part in rest.split("."):
            value = getattr(value, part)
        return has_rule(value) or rest in _PYTHON
    module_name, *path = rest.split(".")
    module = import_module(f"wengert.scipy.{module_name}")
    value = module
    if path[0] not in module.__all__:
        return has_rule(getattr(import_module(f"scipy.{module_name}"), path[0]))
    for part in path:
        value = getattr(value, part, None)
    return value is not None


_PYTHON = frozenset(["fft.fftfreq", "fft.rfftfreq", "row_stack"])
"""Functions of NumPy's that are Python code of operations that are traced, and need no rule."""


def peers() -> list[str]:
    """The names that peers can differentiate."""
    lines = PEERS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def page() -> str:
    """The text of coverage.md."""
    has = derivatives()
    names = peers()
    missing = [n for n in names if not supports(n)]
    parts = [
        INTRODUCTION.format(version=".".join(np.__version__.split(".")[:2])),
        wrapped(
            PEERS_HAVE.format(
                numpys=sum([n.startswith("numpy") for n in names]),
                scipys=sum([n.startswith("scipy") for n in names]),
                missing=f"{len(missing)} are missing" if missing else "none is missing",
                names=f": {listed(missing)}" if missing else "",
            )
        ),
        of_numpy("numpy", np, has),
        of_numpy("numpy.linalg", np.linalg, has),
        of_numpy("numpy.fft", np.fft, has),
        *[of_scipy(p) for p in SCIPY],
        refusals(),
    ]
    return "\n".join(parts)


def main() -> int:
    """Write or check the page."""
    text = page()
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/coverage.md is stale: run `python docs/coverage.py`")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
