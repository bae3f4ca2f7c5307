"""Along which axes equations are cut into blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.ir import Equation
from wengert.transforms.staging.cuts import Part, lengths_of, part_of


@pytest.mark.parametrize(
    ("shape", "cut"),
    [
        ((10**6,), ((10**6,), (0,))),
        ((1000, 300), ((1000,), (0,))),
        ((2, 10**6), ((10**6,), (1,))),
        ((1, 10**6), ((10**6,), (1,))),
        ((2, 10**6, 3), ((10**6,), (1,))),
        ((300, 300, 300), ((300, 300), (0, 1))),
        ((40, 1, 10**6), ((10**6,), (2,))),
        ((1000, 1, 10**5), ((1000, 10**5), (0, 2))),
        ((), None),
        ((1, 1), None),
        ((0, 5), None),
    ],
)
def test_large_arrays_are_cut_where_blocks_are_long(shape: tuple[int, ...], cut: Any) -> None:
    assert lengths_of(shape) == cut


def only(f: Any, *args: Any) -> Equation:
    program = wg.make_program(f)(*args)
    (e,) = program.equations
    return e


def known_part(f: Any, *shapes: tuple[int, ...], axes: dict[int, tuple[int, ...]]) -> Part | None:
    """The part of an equation, of whose operands some are known to be cut."""
    e = only(f, *[np.ones(s) for s in shapes])
    known = {e.inputs[i]: a for i, a in axes.items()}
    i, own = next(iter(axes.items()))
    return part_of(e, tuple([shapes[i][a] for a in own]), known, None)  # type: ignore[arg-type]  # inputs are variables


def test_broadcast_operands_are_not_cut() -> None:
    e = only(lambda a, b: a + b, np.ones((50, 3)), np.ones(3))
    assert part_of(e, (50,), {}, (0,)) == Part(((0,), (None,)), (0,))
    e = only(lambda a, b: a + b, np.ones((50, 3)), np.ones((50, 1)))
    assert part_of(e, (50,), {}, (0,)) == Part(((0,), (0,)), (0,))
    e = only(lambda a, b: a + b, np.ones((2, 50)), np.ones(50))
    assert part_of(e, (50,), {}, (1,)) == Part(((1,), (0,)), (1,))
    e = only(lambda a: a + 1, np.ones((1, 50)))
    assert part_of(e, (50,), {}, (1,)) == Part(((1,), (None,)), (1,))


def test_operands_that_are_cut_must_line_up() -> None:
    square = lambda a, b: a * b
    assert known_part(square, (50, 50), (50,), axes={0: (0,)}) == Part(((0,), (None,)), (0,))
    assert known_part(square, (50, 50), (50,), axes={1: (0,)}) == Part(((1,), (0,)), (1,))
    assert known_part(square, (50, 50), (50,), axes={0: (0,), 1: (0,)}) is None
    assert known_part(lambda a, b: a * b, (5, 1, 7), (6, 7), axes={0: (0, 1)}) is None


@pytest.mark.parametrize(
    ("axis", "keepdims", "end"),
    [
        (0, False, "reduce_sum"),
        (None, True, "reduce_sum"),
        ((0, 2), False, "reduce_sum"),
        (1, False, (0,)),
        ((1, 2), True, (0,)),
    ],
)
def test_reductions(axis: Any, keepdims: bool, end: Any) -> None:
    f = lambda x: np.sum(x, axis=axis, keepdims=keepdims)
    assert known_part(f, (50, 3, 4), axes={0: (0,)}) == Part(((0,),), end)


def test_reductions_move_the_axes_that_stay() -> None:
    assert known_part(lambda x: np.max(x, axis=0), (2, 50), axes={0: (1,)}) == Part(((1,),), (0,))
    assert known_part(lambda x: np.max(x, axis=0), (4, 50, 6), axes={0: (0, 1)}) is None


def test_a_mean_over_blocks_is_not_the_mean_of_means() -> None:
    assert known_part(np.mean, (50,), axes={0: (0,)}) is None
    assert known_part(lambda x: np.var(x, axis=1), (50, 3), axes={0: (0,)}) == Part(((0,),), (0,))


def test_half_precision_is_not_added_up_in_blocks() -> None:
    e = only(np.sum, np.ones(50, np.float16))
    assert part_of(e, (50,), {}, (0,)) is None


def test_new_axes_and_reshapes_keep_rows() -> None:
    part = Part(((0,),), (0,))
    assert known_part(lambda x: x[:, None], (50,), axes={0: (0,)}) == part
    assert known_part(lambda x: x[None], (50,), axes={0: (0,)}) == Part(((0,),), (1,))
    assert known_part(lambda x: x[1:], (50,), axes={0: (0,)}) is None
    assert known_part(lambda x: x.reshape(50, 6), (50, 2, 3), axes={0: (0,)}) == part
    assert known_part(lambda x: x.reshape(6, 50), (50, 2, 3), axes={0: (0,)}) is None
    assert known_part(lambda x: np.broadcast_to(x, (2, 50)), (50,), axes={0: (0,)}) == Part(
        ((0,),), (1,)
    )


def test_products_that_are_added_up() -> None:
    assert known_part(lambda a, b: a @ b, (50,), (50,), axes={0: (0,)}) is None
    by_row = lambda a, b: np.einsum("ij,ij->i", a, b)
    assert known_part(by_row, (50, 3), (50, 3), axes={0: (0,)}) == Part(((0,), (0,)), (0,))


def test_other_operations_are_not_cut() -> None:
    assert known_part(lambda x: np.cumsum(x), (50,), axes={0: (0,)}) is None
    assert known_part(np.transpose, (50, 3), axes={0: (0,)}) is None
    e = only(np.linalg.eigh, np.eye(50))
    assert part_of(e, (50,), {}, (0,)) is None
