"""Programs as formulas of sympy. Read first: formulas.py."""
