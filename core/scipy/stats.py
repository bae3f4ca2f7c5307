"""`scipy.stats` on traced values."""

from __future__ import annotations
