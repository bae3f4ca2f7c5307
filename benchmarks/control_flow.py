"""Speed of `cond`, `scan`, `while_loop` and `fori_loop`, beside Python's `if` and loops.

    python benchmarks/control_flow.py                          # beside autograd and JAX
    python benchmarks/control_flow.py --quick --peers none     # a smoke test
    python benchmarks/control_flow.py --rows kalman,cond       # some rows
    python benchmarks/control_flow.py --write                  # and put the table into README.md

It measures as `eager.py` does: everything in one process and in turns, medians, results compared
before anything is timed. benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from eager import (
    HAND,
    HERE,
    Bench,
    Result,
    Thunk,
    full_table,
    machine,
    peak_memory,
    replace_between,
)

import wengert as wg

PYTHON = "Python's own"
PROGRAM = "program"
NO_JIT = "jax, jit disabled"
NAMES = ["wengert", PYTHON, PROGRAM, HAND, "autograd", "jax.lax", NO_JIT]
PEERS = ["autograd", "jax"]


# Python's control flow, with the arguments of the functions: for the columns that do without them.


@dataclass(frozen=True)
class Flow:
    """What a function of the benchmark is written with: a NumPy, and the control flow."""

    xp: Any
    cond: Callable[..., Any]
    scan: Callable[..., Any]
    while_loop: Callable[..., Any]
    fori_loop: Callable[..., Any]


def if_else(pred: Any, true_fun: Any, false_fun: Any, *operands: Any) -> Any:
    """Python's `if`."""
    return true_fun(*operands) if pred else false_fun(*operands)


def loop_over(xp: Any) -> Callable[..., Any]:
    """Python's `for`, and a stack of what it collects."""

    def scan(f: Any, carry: Any, xs: Any) -> Any:
        ys = []
        for x in xs:
            carry, y = f(carry, x)
            ys.append(y)
        return carry, xp.stack(ys) if ys[0] is not None else None

    return scan


def loop_while(cond_fun: Any, body_fun: Any, carry: Any) -> Any:
    """Python's `while`."""
    while cond_fun(carry):
        carry = body_fun(carry)
    return carry


def loop_counting(lower: int, upper: int, body_fun: Any, carry: Any) -> Any:
    """Python's `for` over a range."""
    for i in range(lower, upper):
        carry = body_fun(i, carry)
    return carry


def python(xp: Any) -> Flow:
    """Plain Python."""
    return Flow(xp, if_else, loop_over(xp), loop_while, loop_counting)


OURS = Flow(np, wg.cond, wg.scan, wg.while_loop, wg.fori_loop)

Function = Callable[..., Any]
"""A function of a Flow and of arguments; the first argument is differentiated."""


@dataclass
class Contenders:
    """The peers that take part."""

    autograd: Any = None
    jax: Any = None

    def calls(
        self, f: Function, args: Sequence[Any], how: str, *, program: bool = True, jax: str = "grad"
    ) -> dict[str, Thunk]:
        """What to time: the function itself (`how` is "value"), or its gradient ("grad").

        `jax` names the transformation that JAX has for it.
        """
        ours = partial(f, OURS)
        plain = partial(f, python(np))
        transform = {"value": lambda f: f, "grad": wg.grad}[how]
        found: dict[str, Thunk] = {
            "wengert": partial(transform(ours), *args),
            PYTHON: partial(transform(plain), *args),
        }
        if program:
            found[PROGRAM] = partial(wg.make_program(transform(ours))(*args), *args)
        if self.autograd is not None and how == "grad":
            theirs = partial(f, python(importlib.import_module("autograd.numpy")))
            found["autograd"] = partial(self.autograd.grad(theirs), *args)
        if self.jax is not None:
            found |= self.jax_calls(f, args, "value" if how == "value" else jax)
        return found

    def jax_calls(self, f: Function, args: Sequence[Any], how: str) -> dict[str, Thunk]:
        """JAX's control flow as it comes, and step by step."""
        jax = self.jax
        lax = jax.lax
        flow = Flow(jax.numpy, lax.cond, lax.scan, lax.while_loop, lax.fori_loop)
        g = partial(f, flow)
        transforms = {
            "value": lambda f: f,
            "grad": jax.grad,
            "jvp": lambda f: (
                lambda x, *rest: jax.jvp(lambda x: f(x, *rest), (x,), (jax.numpy.ones_like(x),))[1]
            ),
        }
        if how not in transforms:
            return {}
        h = transforms[how](g)
        values = [jax.numpy.asarray(a) if isinstance(a, np.ndarray) else a for a in args]

        def run() -> Any:
            return jax.block_until_ready(h(*values))

        def run_without_jit() -> Any:
            with jax.disable_jit():
                return jax.block_until_ready(h(*values))

        return {"jax.lax": run, NO_JIT: run_without_jit}


# The rows.

Row = Callable[[Bench, Contenders], Iterator[Result]]
ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Decorator: put a row into the table under a name."""

    def register(f: Row) -> Row:
        ROWS[name] = f
        return f

    return register


def kalman(flow: Flow, log_variances: Any, observations: Any) -> Any:
    """The likelihood of a Kalman filter for positions and speeds in the plane."""
    xp = flow.xp
    q, r = xp.exp(log_variances[0]), xp.exp(log_variances[1])
    move, see = np.eye(4) + 0.1 * np.eye(4, k=2), np.eye(2, 4)

    def step(carry: Any, z: Any) -> Any:
        m, p = carry
        m, p = move @ m, move @ p @ move.T + q * np.eye(4)
        s, v = see @ p @ see.T + r * np.eye(2), z - see @ m
        gain = xp.linalg.solve(s, see @ p).T
        likelihood = -0.5 * (v @ xp.linalg.solve(s, v) + xp.linalg.slogdet(s)[1])
        return (m + gain @ v, p - gain @ (see @ p)), likelihood

    start = (xp.zeros(4), xp.eye(4))
    return xp.sum(flow.scan(step, start, observations)[1])


@row("kalman")
def kalman_filter(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """A body that does some work: solve, slogdet, products of small matrices."""
    n = 50 if bench.quick else 200
    z = np.cumsum(np.random.default_rng(0).normal(size=(n, 2)), axis=0)
    args = (np.array([-1.0, 0.3]), z)
    for how in ("value", "grad"):
        label = f"Kalman filter, 4 states, {n} steps, {how}"
        yield bench.time(label, peers.calls(kalman, args, how), per=n, unit="us/step")


def grow(x: Any) -> Any:
    """A branch; not a lambda inside, which would be a new function to JAX each time."""
    return x * 1.3


def branching(flow: Flow, x: Any, n: int) -> Any:
    """A Python loop with a choice in it."""
    for _ in range(n):
        x = flow.cond(x > 0.7, flow.xp.sin, grow, x)
    return x


@row("cond")
def choices(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """What one call of cond costs more than an `if`."""
    n = 50
    for how in ("value", "grad"):
        calls = peers.calls(partial(branching, n=n), (0.5,), how)
        yield bench.time(f"cond in a Python loop, scalar, {how}", calls, per=n, unit="us/call")


def repeated(flow: Flow, x: Any, n: int) -> Any:
    """A counter and a number in a while loop."""
    turn = lambda c: (c[0] + 1, c[1] + 0.01 * flow.xp.sin(c[1]))
    return flow.while_loop(lambda c: c[0] < n, turn, (0, x))[1]


@row("while")
def unknown_number_of_turns(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """A while loop; JAX has forward mode only, which is the derivative in its column."""
    n = 1_000
    f = partial(repeated, n=n)
    for how in ("value", "grad"):
        calls = peers.calls(f, (0.5,), how, jax="jvp")
        yield bench.time(f"while_loop, {n:,} turns, scalar, {how}", calls, per=n, unit="us/turn")


def counted(flow: Flow, x: Any, n: int) -> Any:
    """A number in a counting loop."""
    return flow.fori_loop(0, n, lambda i, c: c + 0.01 * flow.xp.sin(c), x)


@row("fori")
def known_number_of_turns(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """A counting loop."""
    n = 1_000
    for how in ("value", "grad"):
        calls = peers.calls(partial(counted, n=n), (0.5,), how)
        yield bench.time(f"fori_loop, {n:,} turns, scalar, {how}", calls, per=n, unit="us/turn")


def halving(flow: Flow, x: Any) -> Any:
    """As many turns as the argument says."""
    shrink = lambda c: (c[0] * 0.99, c[1] + flow.xp.sin(c[0]))
    return flow.while_loop(lambda c: c[0] > 1.0, shrink, (x, 0.0))[1]


def halving_by_hand(x: Any) -> Any:
    """A batch of `halving` as a person would write it: with a mask."""
    x, y = x.copy(), np.zeros_like(x)
    going = np.flatnonzero(x > 1.0)
    while going.size:
        y[going] += np.sin(x[going])
        x[going] *= 0.99
        going = going[x[going] > 1.0]
    return y


@row("rows")
def rows_that_leave(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """vmap of a while loop whose rows take 0 to 230 turns."""
    x = np.linspace(0.5, 10.0, 100 if bench.quick else 10_000)
    ours = partial(halving, OURS)
    calls: dict[str, Thunk] = {
        "wengert": partial(wg.vmap(ours), x),
        PROGRAM: partial(wg.make_program(wg.vmap(ours))(x), x),
        HAND: partial(halving_by_hand, x),
    }
    slopes: dict[str, Thunk] = {
        "wengert": partial(wg.vmap(wg.grad(ours)), x),
        PROGRAM: partial(wg.make_program(wg.vmap(wg.grad(ours)))(x), x),
    }
    if peers.jax is not None:
        batched = lambda how: lambda flow, x: peers.jax.vmap(how(partial(halving, flow)))(x)
        forward = lambda f: lambda x: peers.jax.jvp(f, (x,), (1.0,))[1]
        calls |= peers.jax_calls(batched(lambda f: f), (x,), "value")
        slopes |= peers.jax_calls(batched(forward), (x,), "value")
    yield bench.time(f"vmap of while_loop, {len(x):,} rows", calls, unit="ms")
    yield bench.time(f"vmap of grad of while_loop, {len(x):,} rows", slopes, unit="ms")


def decaying(flow: Flow, k: Any, xs: Any) -> Any:
    """A recurrence in the plane."""
    turn = np.array([[0.9, 0.1], [-0.1, 0.9]])
    step = lambda c, x: (flow.xp.tanh(turn @ c * k + x), c[0] * x[1])
    c, ys = flow.scan(step, np.zeros(2), xs)
    return flow.xp.sum(c) + flow.xp.sum(ys)


@row("length")
def long_scans(bench: Bench, peers: Contenders) -> Iterator[Result]:
    """Whether length matters: time and memory a step should not depend on it."""
    for n in (100, 1_000) if bench.quick else (100, 1_000, 10_000, 100_000):
        xs = np.random.default_rng(0).normal(size=(n, 2))
        few = peers if n <= 1_000 else Contenders()
        calls = few.calls(decaying, (0.9, xs), "grad")
        if n > 100:
            calls.pop(NO_JIT, None)
        yield bench.time(f"gradient of scan, {n:,} steps", calls, per=n, unit="us/step")
        kept = {k: calls[k] for k in ("wengert", PYTHON, PROGRAM, "autograd") if k in calls}
        memory = {k: peak_memory(f) / n for k, f in kept.items()}
        yield Result("the same, peak memory", "bytes/step", memory)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few turns and small sizes")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"among {','.join(ROWS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help="among them, or none")
    parser.add_argument("--write", action="store_true", help="update the table in README.md")
    chosen = parser.parse_args(argv)
    chosen.rows = chosen.rows.split(",")
    chosen.peers = [] if chosen.peers == "none" else chosen.peers.split(",")
    for kind, known in (("rows", [*ROWS]), ("peers", PEERS)):
        for name in getattr(chosen, kind):
            if name not in known:
                parser.error(f"no {name!r} among the {kind}: {', '.join(known)}")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write if asked to."""
    chosen = options(argv)
    peers = Contenders()
    for name in chosen.peers:
        try:
            setattr(peers, name, importlib.import_module(name))
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    if peers.jax is not None:
        peers.jax.config.update("jax_enable_x64", True)
    bench = Bench([], chosen.quick)
    gc.collect()
    gc.freeze()  # the modules of one library are no work for another one's garbage collection
    results: list[Result] = []
    for name in chosen.rows:
        for result in ROWS[name](bench, peers):
            results.append(result)
            costs = ", ".join([f"{k} {v:.4g}" for k, v in result.costs.items()])
            print(f"{result.label} [{result.unit}]: {costs}", file=sys.stderr, flush=True)
    table = full_table(results, [n for n in NAMES if any([n in r.costs for r in results])])
    print(f"\n{table}\n\n{machine()}")
    if chosen.write:
        replace_between(HERE / "README.md", "control flow", f"{table}\n\n{machine()}")


if __name__ == "__main__":
    main()
