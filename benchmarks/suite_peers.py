"""The libraries of `suite.py`: what each of them calls the things that the rows need.

A function of the suite is written once, against `Ops`: a NumPy, and the few names that libraries
do not share.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import scipy.special

import wengert as wg
import wengert.scipy.special

Function = Callable[..., Any]

HAND = "NumPy by hand"
EAGER = "wengert eager"
STAGED = "wengert staged"
SCAN = "staged, scan"
JIT = "JAX jit"


# Loops and updates, for those who have to do without them.


def loop_over(xp: Any) -> Function:
    """Python's `for` over the items of `xs`, or `length` times; the collected results stacked."""

    def scan(step: Function, carry: Any, xs: Any, length: int | None = None) -> Any:
        ys = []
        for i in range(len(xs) if length is None else length):
            carry, y = step(carry, None if xs is None else xs[i])
            ys.append(y)
        return carry, None if ys[0] is None else xp.stack(ys)

    return scan


def add_in_place(u: Any, v: Any) -> Any:
    """Add to the inner elements of a vector."""
    u[1:-1] += v
    return u


def add_by_pieces(xp: Any) -> Function:
    """The same without writing to it."""
    return lambda u, v: xp.concatenate([u[:1], u[1:-1] + v, u[-1:]])


@dataclass(frozen=True)
class Ops:
    """What a function of the suite is written with."""

    xp: Any
    ndtr: Function
    logsumexp: Function
    scan: Function
    solve: Function
    cholesky: Function
    copy: Function
    add_inside: Function = add_in_place


@dataclass(frozen=True)
class Peer:
    """One library: how it takes derivatives, and how arrays get into it.

    `make` has the functions that turn `f` into its derivative, by kind ("value_and_grad", "hvp",
    "hessian", "jacobian", "examples"); a missing one is what the library does not have. `remarks`
    names the rows that it is left out of, and the reason.
    """

    name: str
    ops: Ops
    make: dict[str, Function]
    enter: Function = lambda x: x
    traced_memory: bool = False
    wrap: Function = lambda f: f
    remarks: dict[str, str] = field(default_factory=dict)

    def derivative(self, how: str, f: Function) -> Function | None:
        """The derivative of `f(ops, x, ...)` by x."""
        make = self.make.get(how)
        return None if make is None else self.wrap(make(partial(f, self.ops)))


NUMPY = Ops(
    np,
    scipy.special.ndtr,
    wg.scipy.special.logsumexp,
    loop_over(np),
    np.linalg.solve,
    np.linalg.cholesky,
    np.copy,
)
OURS: dict[str, Function] = {
    "value_and_grad": wg.value_and_grad,
    "hvp": lambda f: lambda x, v: wg.hvp(f, (x,), (v,)),
    "hessian": wg.hessian,
    "jacobian": wg.jacobian,
    "examples": lambda f: wg.vmap(wg.value_and_grad(f), in_axes=(None, 0, 0)),
}


def use_eager() -> Peer:
    """wengert, on plain NumPy."""
    return Peer(EAGER, NUMPY, OURS, traced_memory=True)


def use_staged() -> Peer:
    """The same functions, staged."""
    return Peer(STAGED, NUMPY, OURS, traced_memory=True, wrap=wg.staged)


def use_scan() -> Peer:
    """The same, where loops are `wg.scan`."""
    ops = Ops(**{**vars(NUMPY), "scan": wg.scan})
    return Peer(SCAN, ops, OURS, traced_memory=True, wrap=wg.staged)


def use_autograd() -> Peer:
    """HIPS autograd."""
    autograd = importlib.import_module("autograd")
    xp = importlib.import_module("autograd.numpy")
    special = importlib.import_module("autograd.scipy.special")
    norm = importlib.import_module("autograd.scipy.stats.norm")
    ops = Ops(
        xp,
        norm.cdf,
        special.logsumexp,
        loop_over(xp),
        xp.linalg.solve,
        xp.linalg.cholesky,
        lambda x: x,
        add_by_pieces(xp),
    )
    make = {
        "value_and_grad": autograd.value_and_grad,
        "hvp": autograd.hessian_vector_product,
        "hessian": autograd.hessian,
        "jacobian": autograd.jacobian,
    }
    return Peer("autograd", ops, make, traced_memory=True)


def jax_ops(scan: Function | None) -> Ops:
    """JAX's names; without a scan, Python's loops."""
    jax: Any = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    xp = jax.numpy
    special = importlib.import_module("jax.scipy.special")
    return Ops(
        xp,
        special.ndtr,
        special.logsumexp,
        scan or loop_over(xp),
        xp.linalg.solve,
        xp.linalg.cholesky,
        lambda x: x,
        lambda u, v: u.at[1:-1].add(v),
    )


def jax_make() -> dict[str, Function]:
    """JAX's transformations."""
    jax: Any = importlib.import_module("jax")
    return {
        "value_and_grad": jax.value_and_grad,
        "hvp": lambda f: lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1],
        "hessian": jax.hessian,
        "jacobian": jax.jacobian,
        "examples": lambda f: jax.vmap(jax.value_and_grad(f), in_axes=(None, 0, 0)),
    }


def jax_enter(x: Any) -> Any:
    """Arrays, in trees, as JAX's."""
    jax: Any = importlib.import_module("jax")
    return jax.tree.map(jax.numpy.asarray, x)


def use_jax() -> Peer:
    """JAX in double precision, one operation at a time."""
    jax: Any = importlib.import_module("jax")
    wait = lambda f: lambda *args: jax.block_until_ready(f(*args))
    return Peer("JAX", jax_ops(None), jax_make(), jax_enter, wrap=wait)


def use_jit() -> Peer:
    """JAX in double precision, compiled; loops are `lax.scan`."""
    jax: Any = importlib.import_module("jax")

    def compiled(f: Function) -> Function:
        g = jax.jit(f)
        return lambda *args: jax.block_until_ready(g(*args))

    return Peer(JIT, jax_ops(jax.lax.scan), jax_make(), jax_enter, wrap=compiled)


def use_torch() -> Peer:
    """PyTorch, eager, in double precision."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    func = torch.func
    ops = Ops(
        torch,
        torch.special.ndtr,
        lambda x, axis: torch.logsumexp(x, axis),
        loop_over(torch),
        torch.linalg.solve,
        torch.linalg.cholesky,
        torch.clone,
    )

    def variables(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple([variables(v) for v in x])
        return x.detach().requires_grad_()

    def value_and_grad(f: Function) -> Function:
        def both(x: Any, *rest: Any) -> Any:
            x = variables(x)
            value = f(x, *rest)
            found = torch.autograd.grad(value, x)
            return value, found if isinstance(x, tuple) else found[0]

        return both

    def hvp(f: Function) -> Function:
        def product(x: Any, v: Any) -> Any:
            x = variables(x)
            (first,) = torch.autograd.grad(f(x), x, create_graph=True)
            return torch.autograd.grad(first, x, v)[0]

        return product

    def examples(f: Function) -> Function:
        found = func.vmap(func.grad_and_value(f), in_dims=(None, 0, 0))
        return lambda *args: found(*args)[::-1]

    make = {
        "value_and_grad": value_and_grad,
        "hvp": hvp,
        "hessian": func.hessian,
        "jacobian": func.jacrev,
        "examples": examples,
    }
    return Peer("torch", ops, make, entering(partial(torch.tensor, dtype=torch.float64)))


def entering(convert: Function) -> Function:
    """Converts arrays and numbers, also in tuples."""

    def enter(x: Any) -> Any:
        return tuple([enter(v) for v in x]) if isinstance(x, tuple) else convert(x)

    return enter


def use_mygrad() -> Peer:
    """mygrad, first derivatives only, without its guard against writes to its arrays."""
    mg: Any = importlib.import_module("mygrad")
    mg.turn_memory_guarding_off()

    def missing(*args: Any) -> Any:
        raise NotImplementedError

    def logsumexp(x: Any, axis: int) -> Any:
        top = x.data.max(axis=axis, keepdims=True)
        return mg.log(mg.sum(mg.exp(x - top), axis=axis)) + top.squeeze(axis)

    def value_and_grad(f: Function) -> Function:
        def both(x: Any, *rest: Any) -> Any:
            x = entering(mg.tensor)(x)
            value = f(x, *rest)
            value.backward()
            return value.data, tuple([v.grad for v in x]) if isinstance(x, tuple) else x.grad

        return both

    ops = Ops(mg, missing, logsumexp, loop_over(mg), missing, missing, lambda x: +x)
    remarks = dict.fromkeys(("blackscholes", "kalman"), "it has no erf, solve or cholesky")
    make = {"value_and_grad": value_and_grad}
    return Peer("mygrad", ops, make, traced_memory=True, remarks=remarks)


PEERS: dict[str, Callable[[], Peer]] = {
    "eager": use_eager,
    "staged": use_staged,
    "scan": use_scan,
    "autograd": use_autograd,
    "jax": use_jax,
    "jit": use_jit,
    "torch": use_torch,
    "mygrad": use_mygrad,
}


def importable(wanted: Sequence[str]) -> tuple[list[Peer], list[str]]:
    """Those of the wanted peers that are installed, and why the others are not there."""
    found, missing = [], []
    for name in wanted:
        try:
            found.append(PEERS[name]())
        except ImportError as error:
            missing.append(f"{name} is left out: {error}")
    return found, missing
