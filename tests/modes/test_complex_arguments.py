"""Complex arguments in modes that are not "reverse": the convention of `vjp`, or an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import DtypeError

Z = np.array([0.3 + 1.0j, -0.7 + 0.2j])
MODES = ["forward", "finite", "taylor"]
modes = pytest.mark.parametrize("mode", MODES)


def power(z: Any) -> Any:
    return np.abs(z) ** 2 * np.array([1.0, 3.0]) + z.real[0]


@modes
def test_gradients(mode: str) -> None:
    f = lambda p: np.sum(power(p["z"])) * p["s"]
    point = {"z": Z, "s": 2.0, "name": "no number"}
    found, expected = wg.grad(f, mode=mode)(point), wg.grad(f)(point)
    np.testing.assert_allclose(found["z"], expected["z"], rtol=1e-10)
    np.testing.assert_allclose(found["s"], expected["s"], rtol=1e-10)
    assert found["z"].dtype == np.complex128
    assert found["s"].dtype == np.float64
    assert found["name"] is None


@pytest.mark.parametrize("mode", ["finite", "taylor"])
def test_jacobians_of_real_functions(mode: str) -> None:
    expected = wg.jacrev(power)(Z)
    assert np.max(np.abs(expected.imag)) > 1
    np.testing.assert_allclose(wg.jacobian(power, mode=mode)(Z), expected, rtol=1e-10)


@pytest.mark.parametrize("mode", ["finite", "taylor"])
def test_complex_functions_must_be_holomorphic(mode: str) -> None:
    with pytest.raises(DtypeError, match="real without holomorphic=True"):
        wg.jacobian(np.conj, mode=mode)(Z)
    found = wg.jacobian(np.square, mode=mode, holomorphic=True)(Z)
    np.testing.assert_allclose(found, np.diag(2 * Z), rtol=1e-10, atol=1e-12)


@modes
@pytest.mark.parametrize("f", [np.conj, np.square, power, np.real])
def test_pullbacks(mode: str, f: Any) -> None:
    y, pullback = wg.vjp(f, Z, mode=mode)
    _, expected = wg.vjp(f, Z)
    ct = np.array([1.0, -2.0]).astype(y.dtype) * (1 if y.dtype == np.float64 else 1 + 2j)
    np.testing.assert_allclose(pullback(ct)[0], expected(ct)[0], rtol=1e-10, atol=1e-12)


def test_hessians_are_of_real_arguments() -> None:
    with pytest.raises(DtypeError, match="mode='taylor' is for real arguments"):
        wg.hessian(lambda z: np.sum(np.abs(z) ** 2), mode="taylor")(Z)


@pytest.mark.parametrize("mode", ["symbolic", "taylor", "finite", "forward"])
def test_complex_results(mode: str) -> None:
    if mode == "symbolic":
        pytest.importorskip("sympy")
    x = np.array([0.5, 1.0])
    found = wg.jacobian(lambda x: np.exp(1j * x), mode=mode)(x)
    np.testing.assert_allclose(found, np.diag(1j * np.exp(1j * x)), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mode", ["symbolic", "taylor"])
def test_hessians_of_complex_results(mode: str) -> None:
    if mode == "symbolic":
        pytest.importorskip("sympy")
    found = wg.hessian(lambda x: np.exp(1j * x[0]) * x[1], mode=mode)(np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, [[-1.0, 1j], [1j, 0.0]], atol=1e-12)
