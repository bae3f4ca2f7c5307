"""Which mode "auto" takes, and why: `choose : Derivative, sizes -> (mode, reason)`.

Read next: `plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..arguments import Choice

__all__ = [
    "Derivative",
    "WastefulModeWarning",
    "choose",
    "derivative",
    "is_wasteful",
    "marked",
    "may_have_structure",
]

_MANY: Final = 10_000
"""Passes that a mode may take without a warning."""
LARGE: Final = 512
"""A Jacobian with so many rows and columns is looked at for its structure."""
_TIMES: Final = 100
"""How many times the passes of the other mode are too many."""


class WastefulModeWarning(UserWarning):
    """The mode that was asked for takes many times the passes of another one."""


class Derivative(NamedTuple):
    """What a function that a transformation returned is the derivative of."""

    kind: str
    fun: Callable[..., Any]
    choice: Choice
    has_aux: bool
    mode: str
    chunk_size: int | None = None


def derivative(function: Any) -> Derivative | None:
    """What a function is the derivative of, if a transformation made it."""
    found = getattr(function, "derivative_of", None)
    return found if isinstance(found, Derivative) else None


def marked(function: Callable[..., Any], about: Derivative | None) -> Callable[..., Any]:
    """The function, which knows from here on what it is the derivative of."""
    function.derivative_of = about  # type: ignore[attr-defined]  # functions have room for it
    return function


def may_have_structure(about: Derivative, n: int, m: int) -> bool:
    """True for Jacobians so large that it pays to look where they are zero."""
    return about.kind == "jacobian" and about.mode == "auto" and min(n, m) >= LARGE


def choose(about: Derivative, n: int, m: int, compressed: int | None = None) -> tuple[str, str]:
    """The mode that is going to be used, and the reason; `compressed` are the passes that the
    structure allows for.
    """
    if compressed is not None:
        return "compressed", (
            f"{compressed:,} passes, as columns or rows that do not meet share one; "
            f"forward would take {n:,}, reverse {m:,}"
        )
    forward = f"{n:,} passes, one for each number of the arguments"
    reverse = f"{m:,} passes, one for each number of the result"
    if m == 1:
        reverse = "1 pass, as the result is one number"
    if n == 1:
        forward = "1 pass, as the argument is one number"
    own = "reverse" if about.kind in ("grad", "value_and_grad") else "auto"
    mode = own if about.mode == "auto" else about.mode
    if about.kind == "hessian":
        if mode == "auto":
            return "forward", f"{n:,} passes over the gradient, which takes one in reverse mode"
        return mode, "asked for"
    if mode == "auto":
        if n <= m:
            return "forward", f"{forward}; reverse would take {m:,}"
        return "reverse", f"{reverse}; forward would take {n:,}"
    if mode == "forward":
        return mode, f"asked for; {forward}; reverse would take {m:,}"
    if mode == "reverse":
        return mode, f"{reverse}; forward would take {n:,}"
    return mode, "asked for"


def is_wasteful(mode: str, n: int, m: int) -> bool:
    """True if a mode takes far more passes than the other one."""
    passes, other = (m, n) if mode == "reverse" else (n, m)
    return mode in ("forward", "reverse") and passes > max(_MANY, _TIMES * other)
