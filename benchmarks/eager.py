"""Speed and memory of derivatives without a compiler, side by side with other libraries.

    python benchmarks/eager.py                          # everything that is installed
    python benchmarks/eager.py --quick --peers none     # a smoke test
    python benchmarks/eager.py --rows chain,loop        # some rows
    python benchmarks/eager.py --write                  # and put the tables into the README files

All run in one process and take turns (some calls each, then again), so that a busy moment of the
machine hits all of them; a figure is the median over the turns. What they compute is compared
before anything is timed. benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import platform
import re
import statistics
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import wengert as wg

Thunk = Callable[[], Any]
HAND = "NumPy by hand"
HERE = Path(__file__).resolve().parent


# The contenders: what each library calls the few things that the rows need.


@dataclass(frozen=True)
class Library:
    """One library: its NumPy-like module, its transformations, and how arrays get in and out."""

    name: str
    xp: Any
    grad: Callable[..., Any]
    second: Callable[..., Any]
    jvp: Callable[..., Any]
    linearize: Callable[..., Any] | None = None
    vmap_grad: Callable[..., Any] | None = None
    enter: Callable[[Any], Any] = lambda x: x
    leave: Callable[[Any], Any] = np.asarray
    slow: bool = False  # a large cost an operation: long runs are left out


def use_wengert() -> Library:
    """wengert, on plain NumPy."""
    return Library(
        "wengert",
        np,
        wg.grad,
        lambda f: wg.grad(wg.grad(f)),
        lambda f: lambda x, v: wg.jvp(f, (x,), (v,))[1],
        lambda f, x: wg.linearize(f, x)[1],
        lambda f: wg.vmap(wg.grad(f), in_axes=(None, 0, 0)),
    )


def use_autograd() -> Library:
    """HIPS autograd."""
    autograd = importlib.import_module("autograd")
    xp = importlib.import_module("autograd.numpy")
    return Library(
        "autograd",
        xp,
        autograd.grad,
        lambda f: autograd.grad(autograd.grad(f)),
        lambda f: lambda x, v: autograd.make_jvp(f)(x)(v)[1],
    )


def use_torch() -> Library:
    """PyTorch, eager, in double precision, on two threads (or OMP_NUM_THREADS)."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))

    def enter(x: Any) -> Any:
        if isinstance(x, list):
            return [enter(v) for v in x]
        return torch.tensor(x, dtype=torch.float64)

    def variables(x: Any) -> Any:
        if isinstance(x, list):
            return [v.detach().requires_grad_() for v in x]
        return x.detach().requires_grad_()

    def grad(f: Callable[..., Any]) -> Callable[..., Any]:
        def gradient(x: Any, *rest: Any) -> Any:
            x = variables(x)
            found = torch.autograd.grad(f(x, *rest), x)
            return list(found) if isinstance(x, list) else found[0]

        return gradient

    def second(f: Callable[..., Any]) -> Callable[..., Any]:
        def derivative(x: Any) -> Any:
            x = variables(x)
            (first,) = torch.autograd.grad(f(x), x, create_graph=True)
            return torch.autograd.grad(first, x)[0]

        return derivative

    func = torch.func
    return Library(
        "torch",
        torch,
        grad,
        second,
        lambda f: lambda x, v: func.jvp(f, (x,), (v,))[1],
        lambda f, x: func.linearize(f, x)[1],
        lambda f: func.vmap(func.grad(f), in_dims=(None, 0, 0)),
        enter=enter,
        leave=lambda x: x.detach().numpy(),
    )


def use_jax() -> Library:
    """JAX in double precision, without jit: one operation at a time."""
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    wait = jax.block_until_ready

    def waiting(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: wait(f(*args))

    return Library(
        "jax",
        jax.numpy,
        lambda f: waiting(jax.grad(f)),
        lambda f: waiting(jax.grad(jax.grad(f))),
        lambda f: lambda x, v: wait(jax.jvp(f, (x,), (v,))[1]),
        lambda f, x: waiting(jax.linearize(f, x)[1]),
        lambda f: waiting(jax.vmap(jax.grad(f), in_axes=(None, 0, 0))),
        enter=lambda x: jax.tree.map(jax.numpy.asarray, x),
        slow=True,
    )


PEERS: dict[str, Callable[[], Library]] = {
    "autograd": use_autograd,
    "torch": use_torch,
    "jax": use_jax,
}


# Timing.


@dataclass
class Result:
    """One line of the table: a cost for each contender, in `unit`."""

    label: str
    unit: str
    costs: dict[str, float] = field(default_factory=dict)


@dataclass
class Bench:
    """The libraries that take part, and how long to measure."""

    libraries: list[Library]
    quick: bool

    def without_slow(self, n: int, *, limit: int, slow_limit: int) -> Bench:
        """Only wengert, and those peers for which a run of size n does not take minutes."""
        libraries = [
            v
            for v in self.libraries
            if v.name == "wengert" or n <= (slow_limit if v.slow else limit)
        ]
        return Bench(libraries, self.quick)

    def time(
        self, label: str, contenders: dict[str, Thunk], *, per: int = 1, unit: str = "us"
    ) -> Result:
        """Time contenders in turns; each one's cost is the median, divided by `per`."""
        agree(label, contenders)
        turns, least = (3, 0.002) if self.quick else (15, 0.02)
        once = {name: timed(f, 1) for name, f in contenders.items()}
        samples: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(turns):
            for name, f in contenders.items():
                if turn < 2 or once[name] < 1:  # of calls that take seconds, two are enough
                    samples[name].append(timed(f, max(1, round(least / once[name]))))
        scale = {"us": 1e6, "ms": 1e3}[unit.split("/")[0]] / per
        return Result(label, unit, {k: statistics.median(v) * scale for k, v in samples.items()})


def timed(f: Thunk, calls: int) -> float:
    """Seconds for one call, over `calls` calls."""
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def agree(label: str, contenders: dict[str, Thunk]) -> None:
    """Check that all contenders compute the same, to 1e-6."""
    values = {name: wg.tree.leaves(f()) for name, f in contenders.items()}
    first, expected = next(iter(values.items()))
    for name, found in values.items():
        assert len(found) == len(expected), f"{label}: {name} and {first} return different trees"
        for a, b in zip(found, expected, strict=True):
            a, b = (np.asarray(v.detach() if hasattr(v, "detach") else v) for v in (a, b))
            if not np.allclose(a, b, rtol=1e-6, atol=1e-6 * np.max(np.abs(b), initial=0)):
                raise AssertionError(f"{label}: {name} gives {a}, {first} gives {b}")


# The functions that are differentiated; `xp` is the library's NumPy.


def chain(xp: Any, x: Any, n: int = 200) -> Any:
    """n operations: sin, mul, tanh, add, and mul by a constant, over and over."""
    for _ in range(n // 5):
        a = xp.sin(x)
        x = xp.tanh(a * x) + a
        x = 0.9 * x
    return x


def long_chain(xp: Any, x: Any, n: int) -> Any:
    """n operations whose derivative neither vanishes nor explodes, however many there are."""
    for _ in range(n // 4):
        x = x + (1.0 + 0.001 * xp.sin(x))
    return x


def item_loop(xp: Any, x: Any) -> Any:
    """A sum in a Python loop over the items of an array."""
    s = 0.0
    for i in range(len(x)):
        s = s + xp.sin(x[i]) * x[i]
    return s


def classifier_loss(xp: Any, params: Any, x: Any, y: Any) -> Any:
    """Cross entropy of a tanh network; `y` holds one-hot rows."""
    w1, b1, w2, b2, w3, b3 = params
    h = xp.tanh(x @ w1 + b1)
    h = xp.tanh(h @ w2 + b2)
    z = h @ w3 + b3
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1)) - xp.sum(z * y, axis=1))


def classifier_by_hand(params: Any, x: Any, y: Any) -> list[Any]:
    """The gradient of `classifier_loss`, as one would write it in NumPy."""
    w1, b1, w2, b2, w3, b3 = params
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    e = np.exp(h2 @ w3 + b3)
    d3 = (e / e.sum(axis=1, keepdims=True) - y) / len(x)
    d2 = (d3 @ w3.T) * (1 - h2 * h2)
    d1 = (d2 @ w2.T) * (1 - h1 * h1)
    return [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]


def regression_loss(xp: Any, params: Any, x: Any, y: Any) -> Any:
    """Squared error of a tanh network with one output, for a batch or for one example."""
    w1, b1, w2, b2, w3, b3 = params
    h = xp.tanh(x @ w1 + b1)
    h = xp.tanh(h @ w2 + b2)
    e = h @ w3 + b3 - y
    return xp.mean(e * e)


def regression_by_hand(params: Any, x: Any, y: Any) -> list[Any]:
    """The gradient of `regression_loss` for a batch."""
    w1, b1, w2, b2, w3, b3 = params
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    d3 = (h2 @ w3 + b3 - y) * (2 / len(x))
    d2 = (d3 @ w3.T) * (1 - h2 * h2)
    d1 = (d2 @ w2.T) * (1 - h1 * h1)
    return [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]


def examples_by_hand(params: Any, x: Any, y: Any) -> list[Any]:
    """The gradients of `regression_loss` for every example of a batch."""
    w1, b1, w2, b2, w3, b3 = params
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    d3 = (h2 @ w3 + b3 - y) * 2.0
    d2 = (d3 @ w3.T) * (1 - h2 * h2)
    d1 = (d2 @ w2.T) * (1 - h1 * h1)
    pairs = ((x, d1), (h1, d2), (h2, d3))
    return [v for h, d in pairs for v in (h[:, :, None] * d[:, None, :], d)]


def network(sizes: Sequence[int]) -> list[np.ndarray[Any, Any]]:
    """Weights and biases."""
    rng = np.random.default_rng(0)
    return [v for m, n in pairwise(sizes) for v in (rng.normal(0, m**-0.5, (m, n)), np.zeros(n))]


# The rows: one function each, which yields lines of the table.

Row = Callable[[Bench], Iterator[Result]]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Decorator: put a row into the table under a name."""

    def register(f: Row) -> Row:
        ROWS[name] = f
        return f

    return register


def each(bench: Bench, make: Callable[[Library], Thunk | None]) -> dict[str, Thunk]:
    """What to time for each library; None for what it does not have."""
    made = {lib.name: make(lib) for lib in bench.libraries}
    return {name: f for name, f in made.items() if f is not None}


def gradient_of(f: Callable[..., Any], *args: Any) -> Callable[[Library], Thunk]:
    """Makes the call that takes the gradient of `f(xp, x, ...)` by x."""

    def make(lib: Library) -> Thunk:
        return partial(lib.grad(partial(f, lib.xp)), *[lib.enter(a) for a in args])

    return make


@row("chain")
def scalar_chain(bench: Bench) -> Iterator[Result]:
    """Overhead an operation: scalars."""
    yield bench.time(
        "gradient, chain of 200 operations, scalar",
        each(bench, gradient_of(chain, 0.5)),
        per=200,
        unit="us/op",
    )


@row("chain10")
def vector_chain(bench: Bench) -> Iterator[Result]:
    """Overhead an operation: small arrays."""

    def total(xp: Any, x: Any) -> Any:
        return xp.sum(chain(xp, x))

    x = np.linspace(0.3, 0.7, 10)
    yield bench.time(
        "gradient, chain of 200 operations, 10 elements",
        each(bench, gradient_of(total, x)),
        per=200,
        unit="us/op",
    )


@row("second")
def second_order(bench: Bench) -> Iterator[Result]:
    """Derivatives of derivatives."""
    yield bench.time(
        "second derivative, chain of 200, scalar",
        each(bench, lambda lib: partial(lib.second(partial(chain, lib.xp)), lib.enter(0.5))),
        per=200,
        unit="us/op",
    )


@row("net")
def large_network(bench: Bench) -> Iterator[Result]:
    """Dominated by matrix products: the library should not be noticed."""
    params = network((784, 128, 128, 10))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(128, 784))
    y = np.eye(10)[rng.integers(10, size=128)]
    calls = {
        **each(bench, gradient_of(classifier_loss, params, x, y)),
        HAND: partial(classifier_by_hand, params, x, y),
    }
    yield bench.time("gradient, 784-128-128-10 network, batch 128", calls)
    traced = {k: f for k, f in calls.items() if k in ("wengert", "autograd", HAND)}
    memory = {k: peak_memory(f) / 2**20 for k, f in traced.items()}
    yield Result("the same, peak memory", "MiB", memory)


def peak_memory(f: Thunk) -> float:
    """The most bytes that one call holds, results included."""
    f()
    tracemalloc.start()
    kept = f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del kept
    return peak


@row("smallnet")
def small_network(bench: Bench) -> Iterator[Result]:
    """Dominated by the library's overhead."""
    params = network((8, 16, 16, 1))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(32, 8)), rng.normal(size=(32, 1))
    calls = {
        **each(bench, gradient_of(regression_loss, params, x, y)),
        HAND: partial(regression_by_hand, params, x, y),
    }
    yield bench.time("gradient, 8-16-16-1 network, batch 32", calls)


@row("loop")
def loop_over_items(bench: Bench) -> Iterator[Result]:
    """Whether indexing in a loop costs O(n): the time an item should not depend on n."""
    for n in (1_000, 4_000) if bench.quick else (1_000, 10_000, 100_000):
        joining = bench.without_slow(n, limit=10_000, slow_limit=1_000)
        x = np.linspace(0.0, 1.0, n)
        yield joining.time(
            f"gradient, loop over the items, n = {n:,}",
            each(joining, gradient_of(item_loop, x)),
            per=n,
            unit="us/item",
        )


@row("long")
def long_chains(bench: Bench) -> Iterator[Result]:
    """Whether length matters: neither recursion nor a growing cost an operation."""

    def make(lib: Library, n: int) -> Thunk:
        return partial(lib.grad(lambda x: long_chain(lib.xp, x, n)), lib.enter(0.5))

    for n in (1_000, 10_000) if bench.quick else (10_000, 100_000, 1_000_000):
        joining = bench.without_slow(n, limit=100_000, slow_limit=10_000)
        yield joining.time(
            f"gradient, chain of {n:,} operations",
            each(joining, partial(make, n=n)),
            per=n,
            unit="us/op",
        )


@row("examples")
def per_example_gradients(bench: Bench) -> Iterator[Result]:
    """vmap(grad(f)) against the same formulas, batched by hand."""
    params = network((8, 16, 16, 1))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(256, 8)), rng.normal(size=(256, 1))

    def make(lib: Library) -> Thunk | None:
        if lib.vmap_grad is None:
            return None
        arrays = [lib.enter(a) for a in (params, x, y)]
        return partial(lib.vmap_grad(partial(regression_loss, lib.xp)), *arrays)

    calls = {**each(bench, make), HAND: partial(examples_by_hand, params, x, y)}
    yield bench.time("vmap(grad), 8-16-16-1 network, 256 examples", calls)


@row("jvp")
def forward_mode(bench: Bench) -> Iterator[Result]:
    """Forward mode."""

    def make(lib: Library) -> Thunk:
        return partial(lib.jvp(partial(chain, lib.xp)), lib.enter(0.5), lib.enter(1.0))

    yield bench.time("jvp, chain of 200, scalar", each(bench, make), per=200, unit="us/op")


@row("linearize")
def linearize_again(bench: Bench) -> Iterator[Result]:
    """The derivative at one point in many directions: linearize once, then only the linear part."""

    def make(lib: Library) -> Thunk | None:
        if lib.linearize is None:
            return None
        tangent = lib.linearize(partial(chain, lib.xp), lib.enter(0.5))
        return partial(tangent, lib.enter(1.0))

    yield bench.time(
        "one more tangent after linearize, chain of 200", each(bench, make), per=200, unit="us/op"
    )


@row("import")
def import_time(bench: Bench) -> Iterator[Result]:
    """Time to import, each in a fresh interpreter."""
    modules = {v.name: v.name for v in bench.libraries} | {HAND: "numpy"}
    samples: dict[str, list[float]] = {name: [] for name in modules}
    for module in modules.values():
        seconds_to_import(module)  # writes the bytecode, which an installation has
    for turn in range(3 if bench.quick else 21):
        for name, module in modules.items():
            if turn < 5 or module in ("wengert", "numpy"):
                samples[name].append(seconds_to_import(module))
    costs = {name: statistics.median(v) * 1e3 for name, v in samples.items()}
    yield Result("import (last column: numpy alone)", "ms", costs)


def seconds_to_import(module: str) -> float:
    """Measured inside a new process, so that the interpreter's own start does not count."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=HERE, env=env
    )
    return float(done.stdout)


# The table.


def cell(result: Result, name: str) -> str:
    """A cost, and its ratio to wengert's."""
    cost = result.costs.get(name)
    if cost is None:
        return ""
    digits = max(0, 2 - len(str(int(cost))) + 1)
    if name == "wengert":
        return f"{cost:,.{digits}f}"
    ratio = cost / result.costs["wengert"]
    return f"{cost:,.{digits}f} ({ratio:.{1 if ratio >= 1.95 else 2}f}x)"


def markdown(rows: Sequence[Sequence[str]], left: int = 2) -> str:
    """A table that lines up in plain text too; columns after the first `left` ones to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            c.ljust(w) if i < left else c.rjust(w)
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([line(rows[0]), line(rule), *[line(r) for r in rows[1:]]])


def full_table(results: Sequence[Result], names: Sequence[str]) -> str:
    """Every line, every contender."""
    head = ["", "unit", *names]
    return markdown([head, *[[r.label, r.unit, *[cell(r, n) for n in names]] for r in results]])


def machine() -> str:
    """What it was measured with."""
    found = [f"numpy {version('numpy')}"]
    found += [f"{n} {version(n).split('+')[0]}" for n in PEERS if n in sys.modules]
    text = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, wengert {wg.__version__}, {', '.join(found)}"
    )
    return textwrap.fill(text, 100)


def replace_between(path: Path, marker: str, text: str) -> None:
    """Put a text between `<!-- marker -->` and `<!-- /marker -->` of a file."""
    old = path.read_text(encoding="utf-8")
    pattern = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
    new, n = re.subn(pattern, lambda m: f"{m[1]}\n{text}\n\n{m[2]}", old, flags=re.DOTALL)
    if n != 1:
        raise SystemExit(f"{path.name}: expected the marker {marker!r} once, found it {n} times")
    path.write_text(new, encoding="utf-8")


def short_table(results: Sequence[Result], names: Sequence[str]) -> str:
    """For README.md: only the ratios, of the lines that have a peer."""
    peers = [n for n in names if n != "wengert"]
    rows = [["cost as a multiple of wengert's", "wengert takes", *peers]]
    for r in results:
        costs = [r.costs[n] / r.costs["wengert"] if n in r.costs else None for n in peers]
        ratios = ["" if c is None else f"{c:.0f}" if c >= 10 else f"{c:.2g}" for c in costs]
        if any(ratios):
            rows.append([r.label, f"{cell(r, 'wengert')} {r.unit}", *ratios])
    return markdown(rows)


def libraries(wanted: Sequence[str]) -> list[Library]:
    """wengert and those of the wanted peers that are installed."""
    found = [use_wengert()]
    for name in wanted:
        try:
            found.append(PEERS[name]())
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return found


def options(argv: Sequence[str] | None) -> SimpleNamespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few turns and small sizes")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"among {','.join(ROWS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help="among them, or none")
    parser.add_argument("--write", action="store_true", help="update the tables in README files")
    chosen = SimpleNamespace(**vars(parser.parse_args(argv)))
    chosen.rows = chosen.rows.split(",")
    chosen.peers = [] if chosen.peers == "none" else chosen.peers.split(",")
    for name in chosen.rows:
        if name not in ROWS:
            parser.error(f"no row {name!r}; choose among {', '.join(ROWS)}")
    for name in chosen.peers:
        if name not in PEERS:
            parser.error(f"no peer {name!r}; choose among {', '.join(PEERS)}, or none")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write if asked to."""
    chosen = options(argv)
    bench = Bench(libraries(chosen.peers), chosen.quick)
    gc.collect()
    gc.freeze()  # the modules of one library are no work for another one's garbage collection
    results: list[Result] = []
    for name in chosen.rows:
        for result in ROWS[name](bench):
            results.append(result)
            costs = ", ".join([f"{k} {v:.4g}" for k, v in result.costs.items()])
            print(f"{result.label} [{result.unit}]: {costs}", file=sys.stderr, flush=True)
    names = [v.name for v in bench.libraries]
    names += [HAND] if any(HAND in r.costs for r in results) else []
    table = full_table(results, names)
    print(f"\n{table}\n\n{machine()}")
    if chosen.write:
        replace_between(HERE / "README.md", "table", f"{table}\n\n{machine()}")
        replace_between(
            HERE.parent / "README.md", "ratios", f"{short_table(results, names)}\n\n{machine()}"
        )


if __name__ == "__main__":
    main()
