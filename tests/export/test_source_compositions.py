"""`to_numpy_source` of all programs of `test_composition.py`, under all transformations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from source_runs import check
from test_composition import NESTINGS, PROGRAMS, TRANSFORMS, Map, X, control_flow, nested

import wengert as wg

TRACEABLE = [p for p in PROGRAMS if p is not control_flow]
DEEP = [(p, n) for p, n in product(TRACEABLE, NESTINGS) if len(n) == 3][::211]


@pytest.mark.parametrize("names", [(), *product(TRANSFORMS, repeat=1)], ids="-".join)
@pytest.mark.parametrize("program", TRACEABLE, ids=lambda p: p.__name__)
def test_a_transformed_program_as_source(program: Map, names: tuple[str, ...]) -> None:
    check(nested(program, names), X)


@pytest.mark.parametrize("names", list(product(TRANSFORMS, repeat=2)), ids="-".join)
def test_programs_under_two_transformations(names: tuple[str, ...]) -> None:
    for program in TRACEABLE:
        check(nested(program, names), X)


@pytest.mark.parametrize(("program", "names"), DEEP, ids=lambda v: getattr(v, "__name__", None))
def test_some_programs_under_three_transformations(program: Map, names: tuple[str, ...]) -> None:
    check(nested(program, names), X)


@pytest.mark.parametrize("program", TRACEABLE, ids=lambda p: p.__name__)
def test_text_of_the_program_as_it_was_traced(program: Map) -> None:
    check(lambda x: wg.vjp(program, x)[1](np.ones(3))[0], X, improved=False)
