"""`scipy.signal` on traced values."""

from __future__ import annotations
