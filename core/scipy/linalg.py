"""`scipy.linalg` on traced values."""

from __future__ import annotations
