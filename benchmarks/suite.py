"""How close the derivatives come to code written by hand and to compiled code.

    python benchmarks/suite.py                            # everything that is installed
    python benchmarks/suite.py --quick --peers eager,staged   # a smoke test
    python benchmarks/suite.py --rows net,kalman          # some rows
    python benchmarks/suite.py --write                    # and put the tables into the README files

All run in one process, on two cores, and take turns; a figure is the median over the turns. What
they compute is compared before anything is timed. The first call and the memory are measured apart.
benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from eager import HERE, Thunk, agree, machine, markdown, replace_between, timed
from suite_loops import ROWS
from suite_peers import EAGER, HAND, JIT, PEERS, SCAN, STAGED, Peer, importable
from suite_rows import Case

SLOW = 3.0
"""Seconds a call above which one call has to do."""

Costs = dict[str, float]


@dataclass
class Line:
    """What was measured of one row, by contender."""

    name: str
    label: str
    overhead: bool
    seconds: Costs = field(default_factory=dict)
    first: Costs = field(default_factory=dict)
    memory: Costs = field(default_factory=dict)


def limit_threads(threads: int, argv: Sequence[str] | None) -> None:
    """Start again on that many cores, if this process may use more or its libraries could."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) <= threads and all([os.environ.get(n) == str(threads) for n in names]):
        return
    os.environ.update(dict.fromkeys(names, str(threads)))
    if cores:
        os.sched_setaffinity(0, cores[:threads])
    arguments = sys.argv[1:] if argv is None else [*argv]
    os.execv(sys.executable, [sys.executable, str(HERE / "suite.py"), *arguments])


def maker(case: Case, peer: Peer) -> Callable[[], Thunk] | None:
    """Makes the call to time, from nothing: what its first call costs counts."""
    if case.how not in peer.make:
        return None
    args = [peer.enter(a) for a in case.args]

    def make() -> Thunk:
        return partial(peer.derivative(case.how, case.f), *args)

    return make


def measure(name: str, peers: Sequence[Peer], quick: bool, best: bool) -> Line:
    """All figures of one row."""
    case = ROWS[name](quick)
    line = Line(name, case.label, case.overhead)
    makers: dict[str, Callable[[], Thunk]] = {HAND: lambda: partial(case.hand, *case.args)}
    for peer in peers:
        make = maker(case, peer)
        if make is None or name in peer.remarks or (peer.name == SCAN and not case.loop):
            continue
        makers[peer.name] = make
    calls: dict[str, Thunk] = {}
    for k, make in makers.items():
        start = time.perf_counter()
        calls[k] = make()
        calls[k]()
        line.first[k] = time.perf_counter() - start
    agree(case.label, calls)
    line.seconds = in_turns(calls, quick, best)
    counted = {HAND, *[p.name for p in peers if p.traced_memory]}
    line.memory = {k: peak_memory(make()) for k, make in makers.items() if k in counted}
    return line


def in_turns(calls: dict[str, Thunk], quick: bool, best: bool) -> Costs:
    """The median time of each, or the best one; in turns."""
    turns, least = (3, 0.002) if quick else (15, 0.02)
    once = {k: timed(f, 1) for k, f in calls.items()}
    samples: dict[str, list[float]] = {k: [] for k in calls}
    for turn in range(turns):
        for k, f in calls.items():
            if turn == 0 and once[k] > SLOW:
                samples[k].append(once[k])
            elif once[k] < 0.5 or (once[k] <= SLOW and turn < 2):
                samples[k].append(timed(f, max(1, round(least / once[k]))))
    return {k: min(v) if best else statistics.median(v) for k, v in samples.items()}


def peak_memory(f: Thunk) -> float:
    """The most bytes during one call, with what an earlier call has left for it."""
    tracemalloc.start()
    f()
    gc.collect()
    tracemalloc.reset_peak()
    kept = f()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del kept
    return peak


# The tables.


def time_text(seconds: float) -> str:
    """Three digits with a unit."""
    for unit, scale in (("us", 1e6), ("ms", 1e3), ("s", 1.0)):
        value = seconds * scale
        if value < 1_000 or unit == "s":
            break
    return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"


def times_table(lines: Sequence[Line], names: Sequence[str]) -> str:
    """Each contender's time, in brackets as a multiple of the time by hand."""
    rows = [["", *names]]
    for line in lines:
        cells = []
        for n in names:
            cost = line.seconds.get(n)
            ratio = "" if n == HAND or cost is None else f" ({cost / line.seconds[HAND]:.2f})"
            cells.append("" if cost is None else time_text(cost) + ratio)
        rows.append([line.label, *cells])
    return markdown(rows, 1)


def other_table(lines: Sequence[Line], names: Sequence[str]) -> str:
    """First calls, and peak memory."""
    first = [n for n in (STAGED, SCAN, JIT) if n in names]
    memory = [n for n in names if any([n in line.memory for line in lines])]
    rows = [["", *[f"{n}, first call" for n in first], *[f"{n}, MiB" for n in memory]]]
    for line in lines:
        cells = [time_text(line.first[n]) if n in line.first else "" for n in first]
        cells += [f"{line.memory[n] / 2**20:.2f}" if n in line.memory else "" for n in memory]
        rows.append([line.label, *cells])
    return markdown(rows, 1)


def mean(ratios: Iterable[float]) -> float:
    """The geometric mean."""
    found = [*ratios]
    return statistics.geometric_mean(found) if found else float("nan")


def ratios(lines: Iterable[Line], a: str, b: str, kind: str = "seconds") -> list[float]:
    """a's costs divided by b's, where both have one."""
    costs = [getattr(line, kind) for line in lines]
    return [c[a] / c[b] for c in costs if a in c and b in c]


def means_table(lines: Sequence[Line]) -> str:
    """The geometric means that the targets are about, with the best and the worst row."""
    overhead = [line for line in lines if line.overhead]
    wanted: list[tuple[str, list[float], str]] = [
        ("staged / by hand", ratios(lines, STAGED, HAND), "1.0, no row above 2"),
        ("staged / JAX jit", ratios(lines, STAGED, JIT), "1.0"),
        ("JAX jit / by hand", ratios(lines, JIT, HAND), ""),
        (
            "torch / eager, rows of small operations",
            ratios(overhead, "torch", EAGER),
            "1.5 or more",
        ),
        (
            "autograd / eager, rows of small operations",
            ratios(overhead, "autograd", EAGER),
            "4 or more",
        ),
        ("first call, staged / JAX jit", ratios(lines, STAGED, JIT, "first"), "0.1"),
    ]
    wanted += [
        (f"{name} / by hand", ratios(lines, name, HAND), "")
        for name in (EAGER, "torch", "autograd", "mygrad", "JAX")
    ]
    rows = [["geometric mean of", "", "rows", "least", "most", "target"]]
    for label, found, target in wanted:
        if found:
            numbers = [
                f"{mean(found):.2f}",
                str(len(found)),
                f"{min(found):.2f}",
                f"{max(found):.2f}",
            ]
            rows.append([label, *numbers, target])
    return markdown(rows, 1)


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few turns and small sizes")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"among {','.join(ROWS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help="among them, or none")
    parser.add_argument("--write", action="store_true", help="update the tables in README files")
    parser.add_argument("--best", action="store_true", help="best turns, for a busy machine")
    parser.add_argument("--threads", type=int, default=2, help="for all (2)")
    chosen = parser.parse_args(argv)
    chosen.rows = chosen.rows.split(",")
    chosen.peers = [] if chosen.peers == "none" else chosen.peers.split(",")
    for kind, known in (("rows", [*ROWS]), ("peers", [*PEERS])):
        for name in getattr(chosen, kind):
            if name not in known:
                parser.error(f"no {name!r} among the {kind}: {', '.join(known)}")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write if asked to."""
    chosen = options(argv)
    limit_threads(chosen.threads, argv)
    peers, missing = importable(chosen.peers)
    for reason in missing:
        print(reason, file=sys.stderr)
    gc.collect()
    gc.freeze()  # the modules of one library are no work for another one's garbage collection
    lines: list[Line] = []
    for name in chosen.rows:
        line = measure(name, peers, chosen.quick, chosen.best)
        lines.append(line)
        costs = ", ".join([f"{k} {time_text(v)}" for k, v in line.seconds.items()])
        print(f"{line.label}: {costs}", file=sys.stderr, flush=True)
    names = [HAND, *[p.name for p in peers]]
    means, times, others = means_table(lines), times_table(lines, names), other_table(lines, names)
    text = f"{times}\n\n{others}\n\n{means}\n\n{machine()}"
    print(f"\n{text}")
    if chosen.write:
        replace_between(HERE / "README.md", "suite", text)
        replace_between(HERE.parent / "README.md", "suite means", f"{means}\n\n{machine()}")


if __name__ == "__main__":
    main()
