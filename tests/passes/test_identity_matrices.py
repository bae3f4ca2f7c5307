"""Products with identity matrices: what is found, and NumPy's values with infinities and NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exactness import applied, names, special

import wengert as wg
from wengert.transforms.passes.identity_matrices import skip_identity_matrices
from wengert.transforms.passes.pipeline import improve

N = 64
EYE = np.eye(N)
TALL = np.eye(N + 10, N, -4)
Function = Callable[..., Any]

TAKEN: dict[str, Function] = {
    "left": lambda x: EYE @ x,
    "right": lambda x: x @ EYE,
    "left of a transpose": lambda x: EYE @ x.T,
    "placed in rows": lambda x: TALL @ x,
    "placed in columns": lambda x: x @ TALL.T,
    "stack": lambda x: EYE @ np.stack([x, 2 * x]),
    "stack, right": lambda x: np.stack([x, 2 * x]) @ TALL.T,
    "f4": lambda x: EYE.astype("f4") @ x.astype("f4"),
}


def matrix() -> Any:
    return np.random.default_rng(0).normal(size=(N, N))


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("at", [1.0, 5e-324, 1.7e308, np.inf, np.nan])
def test_the_same_values(name: str, at: float) -> None:
    x = matrix()
    x[3] = 0.0
    x[5, 7] = at
    found = applied(skip_identity_matrices, TAKEN[name], x)
    assert "cond" in names(found)


def test_zeros_and_infinities_of_both_signs() -> None:
    x = np.resize(special(), (N, N))
    applied(skip_identity_matrices, lambda x: (EYE @ x) + 1.0, x)
    x[~np.isfinite(x)] = -0.0
    found = applied(skip_identity_matrices, lambda x: EYE @ x, x)
    assert not np.signbit(found(np.full((N, N), -0.0))).any()


LEFT: dict[str, Function] = {
    "a vector": lambda x: EYE @ x[0],
    "no identity": lambda x: EYE[::-1] @ x,
    "twos": lambda x: (EYE * 2.0) @ x,
    "negative zeros": lambda x: np.where(EYE == 0, -0.0, 1.0) @ x,
    "wide": lambda x: TALL.T @ np.concatenate([x, x[:10]]),
    "small": lambda x: np.eye(8) @ x[:8, :8],
    "ints": lambda x: np.eye(N, dtype=int) @ x,
}


@pytest.mark.parametrize("name", LEFT)
def test_the_rest_is_left(name: str) -> None:
    assert "cond" not in names(applied(skip_identity_matrices, LEFT[name], matrix()))


def test_jacobians() -> None:
    w = matrix() / 8
    f = wg.jacobian(lambda w, x: np.tanh(w @ np.tanh(w @ x)), argnums=1)
    x = np.linspace(-1.0, 1.0, N)
    found = improve(wg.make_program(f)(w, x))
    assert "cond" in names(found)
    assert len(found.equations) < 25, found
    staged = wg.staged(f)
    np.testing.assert_allclose(staged(w, x), f(w, x), rtol=1e-13)
    w[1, 2] = np.inf
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.isnan(staged(w, x)), np.isnan(f(w, x)))
    batched = wg.vmap(staged, in_axes=(None, 0))(np.nan_to_num(w, posinf=1.0), np.stack([x, -x]))
    assert batched.shape == (2, N, N)
