"""`to_numpy_source` of the gradients of all functions of the spec table."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from source_runs import check, drawn
from specs import Case
from test_source_values import FIRST, SOLVED

import wengert as wg
from wengert.core.errors import WengertError

SMOOTH = [c for c in FIRST if c.sample.derivative and c.spec.order and c.spec.name not in SOLVED]


@pytest.mark.parametrize("case", SMOOTH, ids=str)
def test_a_gradient_as_source(case: Case) -> None:
    fun, args = case.function(np), drawn(case)

    def pulled(*xs: Any) -> Any:
        out, pull = wg.vjp(fun, *xs)
        weight = lambda y: np.cos(np.arange(y.size).reshape(y.shape)).astype(y.dtype)
        return pull(wg.tree.map(lambda y: weight(y) if y.dtype.kind in "fc" else y, out))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wg.make_program(pulled)(*args)
        except (WengertError, TypeError, ValueError):
            pytest.skip("it has no gradient by all of its arguments at this sample")
        check(pulled, *args)
