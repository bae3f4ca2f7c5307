"""Roots, fixed points, minima and linear systems, differentiated by the equations that they solve.

Read in this order: `roots.py`, `equations.py`, `implicit.py`, `linear_solve.py`, `linear_maps.py`.
"""
