"""Running the texts of `to_numpy_source` where wengert cannot be imported."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg


def _import(name: str, *args: Any, **kwargs: Any) -> Any:
    if name.split(".")[0] not in {"numpy", "scipy", *sys.stdlib_module_names}:
        raise ImportError(f"the text imports {name}")
    return builtins.__import__(name, *args, **kwargs)


def function_of(text: str, name: str = "f") -> Callable[..., Any]:
    """The function that a text defines."""
    assert "wengert" not in text
    assert max(map(len, text.splitlines())) <= 100 or "# fmt: skip" in text, text
    namespace: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": _import}}
    exec(compile(text, "<text>", "exec"), namespace)
    found: Callable[..., Any] = namespace[name]
    return found


def arrays(tree: Any) -> list[Any]:
    """The leaves of a result that are arrays or numbers."""
    return [np.asarray(x) for x in wg.tree.leaves(tree) if not wg.core.tree.is_static_leaf(x)]


def same(got: Any, due: Any) -> None:
    """Equal types, and equal values to rounding."""
    got, due = arrays(got), arrays(due)
    assert [a.shape for a in got] == [a.shape for a in due]
    assert [a.dtype for a in got] == [a.dtype for a in due]
    narrow = any([a.dtype.char in "efF" for a in due])
    for a, b in zip(got, due, strict=True):
        if b.dtype.kind not in "fc":
            np.testing.assert_array_equal(a, b)
            continue
        finite = np.abs(b[np.isfinite(b)])
        tolerance = 1e-3 if narrow else 1e-10
        top = max(1.0, float(finite.max(initial=0.0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * top)


def check(fun: Callable[..., Any], *args: Any, **options: Any) -> str:
    """The text of a function, after it was run and compared."""
    text = wg.to_numpy_source(fun, *args, name="f", **options)
    same(function_of(text)(*args), fun(*args))
    return text


def drawn(case: Any) -> Sequence[Any]:
    """The arguments of a case of the spec table."""
    found: Sequence[Any] = case.draw(np.random.default_rng(0))
    return found
