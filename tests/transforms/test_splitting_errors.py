"""What batches that split refuse, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert.core import errors

Function = Callable[..., Any]
X = np.random.default_rng(0).normal(size=(7, 5))
V = np.array([1.0, -2.0, 0.5, -0.5, 3.0, 40.0])


def split(f: Function, *args: Any, **kwargs: Any) -> Function:
    return wg.vmap(f, *args, control_flow="split", **kwargs)


def same(found: Any, due: Any) -> None:
    np.testing.assert_array_equal(found, due)
    assert found.dtype == due.dtype


def branches(x: Any) -> Any:
    if x > 0:
        return np.log(x)
    return 0.0 * x


def located(error: Any, line: str) -> bool:
    """The message names the line of this file."""
    return (
        re.search(rf"at: +test_splitting_errors\.py:\d+ \(.*\): .*{re.escape(line)}", str(error))
        is not None
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x if x[0] > 0 else -x,  # fault
        lambda x: [n for n in range(np.argmax(x))],  # fault
        lambda x: [1, 2, 3, 4, 5][np.argmax(x)],  # fault
        lambda x: int(np.argmax(x)),  # fault
        lambda x: np.max(x[x > 0]),  # fault
        lambda x: np.outer(x, x)[x > 0, 1],  # fault
        lambda x: np.nonzero(x > 0),  # fault
        lambda x: np.compress(x > 0, x),  # fault
        lambda x: np.unique(x),  # fault
        lambda x: np.repeat(x, (x > 0) + 1),  # fault
        lambda x: x[: np.argmax(x)],  # fault
        lambda x: np.bincount(np.argsort(x)),  # fault
        lambda x: wnp.arange(np.argmax(x)),  # fault
    ],
)
def test_without_the_option_both_remedies_are_named(f: Function) -> None:
    for call in (lambda: wg.vmap(f)(X), lambda: wg.vmap(lambda x: wg.jvp(f, (x,), (x,)))(X)):
        with pytest.raises(errors.ConcretizationError) as info:
            call()
        assert 'control_flow="split"' in str(info.value)
        assert re.search(r"np\.where|wengert\.cond|np\.take|np\.sum|plain n", str(info.value))
        assert located(info.value, "# fault")


def test_the_remedies_of_a_truth_value() -> None:
    with pytest.raises(errors.ConcretizationError) as info:
        wg.vmap(branches)(V)
    message = str(info.value)
    assert 'use wengert.vmap(branches, control_flow="split")' in message
    for other in ("wengert.cond", "wengert.while_loop", "np.where"):
        assert other in message
    with pytest.raises(errors.ConcretizationError) as info:
        wg.make_program(branches)(1.0)
    assert "control_flow" not in str(info.value) and "wengert.cond" in str(info.value)


def test_numbers_that_do_not_split() -> None:
    for f in (lambda x: float(x), lambda x: x.item(), lambda x: x.tolist(), lambda x: f"{x:.1f}"):
        with pytest.raises(errors.ConcretizationError, match="needs one concrete value") as info:
            split(f)(V)
        assert "control_flow" not in str(info.value)
    assert split(lambda x: f"{x:.1f}")(np.ones(2)) == "1.0"
    same(split(lambda x: float(x) * x)(np.ones(2)), np.ones(2))
    same(split(wg.grad(lambda x: float(x) * x))(np.ones(2)), np.ones(2))
    same(split(lambda x: float(np.sign(x)) if x > 0 else x)(V), np.where(V > 0, 1.0, V))
    with pytest.raises(ValueError, match="NaN"):
        split(lambda x: int(x))(np.array([1.0, np.nan]))
    assert list(split(lambda x: int(x))(np.array([1e30, 1e30]))) == [int(1e30)] * 2
    with pytest.raises(errors.ConcretizationError, match=r"np\.unique needs concrete"):
        split(lambda x: np.unique(x, axis=0))(X.reshape(7, 5, 1))


def test_too_many_paths() -> None:
    def f(x: Any) -> Any:
        n = 0
        while x > n:  # fault
            n += 1
        return n

    with pytest.raises(errors.BatchError, match=r"more than max_paths=3 paths") as info:
        split(f, max_paths=3)(np.arange(10))
    message = str(info.value)
    assert "4 paths or more, for 10 members" in message
    assert "max_paths=8" in message and "wengert.while_loop" in message
    assert located(info.value, "while x > n:  # fault")
    same(split(f, max_paths=10)(np.arange(10)), np.arange(10))
    same(split(f, max_paths=None)(np.arange(300)), np.arange(300))
    with pytest.raises(errors.BatchError, match="max_paths=256"):
        split(f)(np.arange(300))
    with pytest.raises(errors.BatchError, match="more than max_paths=256") as info:
        split(lambda n: sum([1 for _ in range(n)]))(np.arange(300))
    assert "300 paths" in str(info.value)


def test_results_that_do_not_fit_together() -> None:
    x = np.array([[1.0, 2.0], [-1.0, 2.0], [-1.0, -1.0]])
    with pytest.raises(errors.ShapeError, match="not the same shape on all paths") as info:
        split(lambda x: x[x > 0])(x)  # fault
    for text in ("f64[2] for member 0", "f64[1] for member 1", "f64[0] for member 2"):
        assert text in str(info.value)
    assert located(info.value, "# fault")
    with pytest.raises(errors.ShapeError, match=r"the result\['a'\] has not the same shape"):
        split(lambda x: {"a": 1.0 if x > 0 else np.ones(2)})(V)
    with pytest.raises(errors.TreeError, match=r"result for member 1 is not that of .* member 0"):
        split(lambda x: (x,) if x > 0 else x)(V)
    with pytest.raises(errors.BatchError, match="no array, and differs") as error:
        split(lambda x: "a" if x > 0 else "b")(V)
    assert "'a' for member 0, 'b' for member 1" in str(error.value)
    same(split(lambda x: {"a": x[x > 0][:1], "b": None})(np.abs(x))["a"], np.abs(x)[:, :1])


def test_options() -> None:
    with pytest.raises(errors.BatchError, match=r'no such control_flow(.|\n)*"split", or None'):
        wg.vmap(np.sin, control_flow="fork")
    with pytest.raises(errors.BatchError, match="axis_name does not go together"):
        wg.vmap(np.sin, control_flow="split", axis_name="i")
    for bad in (0, 2.5, "many"):
        with pytest.raises(errors.BatchError, match="max_paths must be a positive int"):
            wg.vmap(np.sin, control_flow="split", max_paths=bad)  # type: ignore[arg-type]  # the point


def test_escaped_values() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(2 * x)
        return x if x > 0 else -x

    split(f)(V)
    for use in (lambda y: y + 1, bool, lambda y: y.is_alike(kept[1]) + y):
        with pytest.raises(errors.EscapedTracerError, match="vmap of f"):
            use(kept[0])
    assert "batch" in repr(kept[0])
