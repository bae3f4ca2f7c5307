"""Sums of products become contractions: equal to rounding, not finite where they were not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exactness import applied, close, names, special

from wengert.transforms.passes.contractions import LARGE, contract
from wengert.transforms.passes.dead_code import without_dead_code


def contracted(fun: Any, *args: Any) -> list[str]:
    """The operations that are left, views aside."""
    found = names(without_dead_code(applied(contract, fun, *args, same=close)))
    return [n for n in found if n not in ("reshape", "transpose")]


def normal(*shape: int) -> Any:
    """Random numbers."""
    return np.random.default_rng(len(shape)).normal(size=shape)


SUMS: list[tuple[Any, tuple[Any, ...], list[str]]] = [
    (lambda a, b: np.sum(a * b), (normal(7), normal(7)), ["matmul"]),
    (lambda a, b: np.sum(a * b), (normal(7, 3), normal(7, 3)), ["matmul"]),
    (lambda a, b: np.mean(a * b), (normal(7, 3), normal(7, 3)), ["matmul", "div"]),
    (lambda a, b: np.mean(a * b, axis=0), (normal(7, 3), normal(7, 1)), ["matmul", "div"]),
    (lambda a, b: np.sum(a * b, axis=1), (normal(7, 3), normal(3)), ["matmul"]),
    (lambda a, b: np.sum(a * b, axis=0), (normal(7, 3), normal(7, 1)), ["matmul"]),
    (
        lambda a, b: np.sum(a[:, None] * b, axis=2),
        (normal(7, 3), normal(5, 3)),
        ["getitem", "matmul"],
    ),
    (
        lambda a, b: np.sum(a[:, :, None] * b[:, None, :], axis=0),
        (normal(9, 3), normal(9, 4)),
        ["getitem", "getitem", "matmul"],
    ),
    (
        lambda a, b: np.sum(a[:, :, :, None] * b[:, None], axis=2),
        (normal(4, 8, 5), normal(4, 5, 8)),
        ["getitem", "getitem", "matmul"],
    ),
    (lambda a, b: np.sum(a * b, axis=1, keepdims=True), (normal(7, 3), normal(3)), ["matmul"]),
    (lambda a, b: np.sum(a * b, axis=1), (normal(7, 3), normal(7, 3)), ["mul", "reduce_sum"]),
    (lambda a, b: np.sum(a * b, axis=1), (normal(70, 50), normal(70, 50)), ["einsum"]),
    (lambda a, b: np.sum(a * b, axis=0), (normal(70, 50), normal(70, 50)), ["einsum"]),
    (lambda a, b: np.sum(a * b, axis=(0, 2)), (normal(7, 50, 9), normal(7, 50, 9)), ["einsum"]),
    (lambda a, b: np.sum(np.sum(a @ b, axis=1), axis=0), (normal(7, 2), normal(2, 3)),
     ["matmul", "reduce_sum"]),
    (lambda a, b: np.sum(a @ b, axis=0), (normal(7, 2, 5), normal(7, 5, 3)), ["matmul"]),
]  # fmt: skip


@pytest.mark.parametrize(("fun", "args", "found"), SUMS)
def test_sums_of_products(fun: Any, args: Any, found: list[str]) -> None:
    got = contracted(fun, *args)
    assert sorted(got) == sorted(found)


@pytest.mark.parametrize(("fun", "args", "found"), SUMS)
def test_what_is_not_finite(fun: Any, args: Any, found: list[str]) -> None:
    rng = np.random.default_rng(0)
    special_args = []
    for a in args:
        a = a.copy()
        a.flat[rng.integers(a.size)] = rng.choice([np.inf, -np.inf, np.nan])
        a.flat[rng.integers(a.size)] = 0.0
        special_args.append(a)
    applied(contract, fun, *special_args, same=close)


@pytest.mark.parametrize(
    ("fun", "args"),
    [
        (lambda a, b: np.sum(a * b, axis=0), (normal(7, 3), normal(3))),  # b comes out of the sum
        (lambda a, b: np.sum(a * b), (normal(7, 3), np.float64(2.0))),
        (lambda a, b: np.sum(a * b), (normal(7, 3), normal(3))),
        (lambda a, b: np.sum(a * b), (normal(7).astype("f4"), normal(7).astype("f4"))),
        (lambda a, b: np.sum(a * b), (np.arange(3), np.arange(3))),
        (lambda a, b: (lambda y: (np.sum(y, axis=1), y))(a * b), (normal(7, 3), normal(3))),
    ],
)
def test_what_is_left(fun: Any, args: Any) -> None:
    assert "reduce_sum" in contracted(fun, *args)


def test_complex_numbers() -> None:
    a, b = normal(6) + 1j * normal(6), normal(6) * 1j
    assert contracted(lambda a, b: np.sum(a * b), a, b) == ["matmul"]


@pytest.mark.parametrize(
    ("spec", "shapes", "found"),
    [
        ("ij,jk->ik", [(30, 20), (20, 10)], ["matmul"]),
        ("ij,jk->ki", [(30, 20), (20, 10)], ["matmul"]),
        ("ij,ij->", [(30, 20), (30, 20)], ["matmul"]),
        ("bij,bjk->bik", [(3, 30, 20), (3, 20, 10)], ["matmul"]),
        ("bij,bjk->bik", [(3, 2, 3), (3, 3, 2)], ["einsum"]),
        ("ij,j->i", [(30, 20), (20,)], ["matmul"]),
        ("abc,cbd->ad", [(3, 4, 5), (5, 4, 6)], ["matmul"]),
        ("i,j->ij", [(3,), (4,)], ["matmul"]),
        ("ij,ij->i", [(30, 20), (30, 20)], ["einsum"]),
        ("ij,jk,kl->il", [(3, 2), (2, 4), (4, 5)], ["einsum"]),
    ],
)
def test_einsums(spec: str, shapes: Any, found: list[str]) -> None:
    args = [normal(*s) for s in shapes]
    got = contracted(lambda *xs: np.einsum(spec, *xs), *args)
    assert got == found or spec == "i,j->ij"


def test_rows_times_a_matrix() -> None:
    a, b = normal(50, 1, 8), normal(8, 3)
    program = without_dead_code(applied(contract, np.matmul, a, b, same=close))
    assert names(program) == ["reshape", "matmul", "reshape"]
    assert names(applied(contract, np.matmul, normal(2, 100, 8), b, same=close)) == ["matmul"]
    applied(contract, np.matmul, normal(4, 2, 3, 8), normal(8), same=close)


def test_empty() -> None:
    for shape in ((0,), (0, 3), (3, 0)):
        a = np.zeros(shape)
        applied(contract, lambda a, b: np.sum(a * b), a, a)
        applied(contract, lambda a, b: np.sum(a * b, axis=-1), a, a)


def test_axes_of_length_one() -> None:
    a, b = normal(1, 70, 50), normal(70, 1, 50)
    applied(contract, lambda a, b: np.sum(a * b, axis=2), a, b, same=close)
    applied(contract, lambda a, b: np.sum(a * b, axis=0), normal(1, 5), normal(1, 5), same=close)


def test_small_ones_are_no_slower() -> None:
    a = special()
    found = contracted(
        lambda a, b: np.sum(a * b, axis=1), a[:4].reshape(2, 2), a[4:8].reshape(2, 2)
    )
    assert found == ["mul", "reduce_sum"]
    assert LARGE > 1000


def test_products_that_add_nothing_up() -> None:
    """A column times a row; what is zero may have another sign."""
    for shape, other in (((4, 1), (1, 3)), ((2, 4, 1), (1, 3)), ((4, 1), (5, 1, 3))):
        a, b = normal(*shape), normal(*other)
        a.flat[0] = np.inf
        b.flat[1] = np.nan
        b.flat[0] = 1e-320
        assert contracted(lambda a, b: a @ b, a, b) == ["mul"]
    assert contracted(lambda a, b: a @ b, normal(4, 1), normal(1)) == ["matmul"]
    assert contracted(lambda a, b: a @ b, normal(4, 1), normal(1, 3).astype("f4")) == ["matmul"]
