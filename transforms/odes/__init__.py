"""Differential equations: `odeint`, and the sensitivities of SciPy's solvers.

Read in this order: `odeint.py`, `odeint_rules.py`, `odeint_steps.py`, `dormand_prince.py`.
"""
