"""Linear maps as values: the derivative of a function at a point is one.

Read in this order: `spaces.py`, `operators.py`, `linear_map.py`, `derivative_map.py`, then
`linearity.py` and `check_linear.py`.
"""
