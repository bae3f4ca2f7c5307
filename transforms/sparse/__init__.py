"""Sparse Jacobians and Hessians: the pattern from the program, columns in few colours, and as many
passes as there are colours.

Read in this order: `index_sets.py`, `patterns.py`, `movement_rules.py`, `contraction_rules.py`,
`control_rules.py`, `colouring.py`, `compression.py`, `plans.py`, `evaluation.py`, `sparse.py`.
"""

from .plans import SparsePlan
from .sparse import hessian_sparsity, jacobian_sparsity, sparse_hessian, sparse_jacobian

__all__ = [
    "SparsePlan",
    "hessian_sparsity",
    "jacobian_sparsity",
    "sparse_hessian",
    "sparse_jacobian",
]
