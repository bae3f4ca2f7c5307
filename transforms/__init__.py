"""The transformations, one file each. They interpret programs, or compose one another; `core` knows
none of them.

Read in this order: `jvp.py`, `linear.py`, `linearize.py`, `grad.py`, `vmap.py`, `jacobian.py`,
`program.py`.
"""

from .cond import cond, switch
from .grad import grad, hvp, value_and_grad
from .jacobian import (
    hessian,
    jacfwd,
    jacobian,
    jacrev,
    value_and_hessian,
    value_and_jacobian,
)
from .jvp import jvp
from .linearize import linear_transpose, linearize, vjp
from .program import make_program
from .scan import scan
from .vmap import vmap

__all__ = [
    "cond",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_program",
    "scan",
    "switch",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
    "vjp",
    "vmap",
]
