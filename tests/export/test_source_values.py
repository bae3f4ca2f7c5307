"""`to_numpy_source` of all functions of the spec table: the values."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from source_runs import check, drawn
from specs import CASES, Case

import wengert as wg
from wengert.core.errors import WengertError

_SEEN: set[str] = set()
FIRST = [
    c
    for c in CASES
    if c.spec.traceable and not (c.spec.name in _SEEN or _SEEN.add(c.spec.name))  # type: ignore[func-returns-value]  # marks it
]
SOLVED = {c.spec.name for c in FIRST if "odeint" in str(c) or "solve_ivp" in str(c)}


@pytest.mark.parametrize("case", FIRST, ids=str)
def test_a_function_as_source(case: Case) -> None:
    fun, args = case.function(np), drawn(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wg.make_program(fun)(*args)
        except (WengertError, TypeError, ValueError):
            pytest.skip("it cannot be traced through NumPy at this sample")
        if case.spec.name in SOLVED:
            with pytest.raises(wg.errors.MissingRuleError, match="has no NumPy text"):
                wg.to_numpy_source(fun, *args)
            return
        check(fun, *args)
