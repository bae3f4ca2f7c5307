"""What all tests share: one fresh random generator a test."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that gives the same numbers to every test."""
    return np.random.default_rng(0)
