"""The transformations, one file each. They interpret programs, or compose one another; `core` knows
none of them.

Read in this order: `jvp.py`, `linear.py`, `linearize.py`, `grad.py`, `vmap.py`, `jacobian.py`,
`program.py`.
"""

from .collectives import (
    all_gather,
    axis_index,
    axis_size,
    pmax,
    pmean,
    pmin,
    psum,
)
from .cond import cond, switch
from .exchanges import all_to_all, pbroadcast, ppermute, pshuffle, psum_scatter, pswapaxes
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
from .loops import associative_scan, fori_loop, map
from .numerical import NumericalDerivativeWarning, numerical_rule
from .program import make_program
from .scan import scan
from .vmap import vmap
from .while_loop import while_loop

__all__ = [
    "NumericalDerivativeWarning",
    "all_gather",
    "all_to_all",
    "associative_scan",
    "axis_index",
    "axis_size",
    "cond",
    "fori_loop",
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
    "map",
    "numerical_rule",
    "pbroadcast",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "pshuffle",
    "psum",
    "psum_scatter",
    "pswapaxes",
    "scan",
    "switch",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
    "vjp",
    "vmap",
    "while_loop",
]
