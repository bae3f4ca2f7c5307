"""The transformations, one file each. They interpret programs, or compose one another; `core` knows
none of them.

Read in this order: `jvp.py`, `linear.py`, `linearize.py`, `grad.py`, `vmap.py`, `jacobian.py`,
`program.py`.
"""

from .checkpointing.checkpoint import checkpoint, remat
from .checkpointing.residuals import print_saved_residuals, saved_residuals
from .checkpointing.saving import checkpoint_name, checkpoint_policies
from .collectives.collectives import (
    all_gather,
    axis_index,
    axis_size,
    pmax,
    pmean,
    pmin,
    psum,
)
from .collectives.exchanges import (
    all_to_all,
    pbroadcast,
    ppermute,
    pshuffle,
    psum_scatter,
    pswapaxes,
)
from .control.cond import cond, switch
from .control.loops import associative_scan, fori_loop, map
from .control.scan import scan
from .control.while_loop import while_loop
from .custom.custom_rules import custom_jvp, custom_vjp, custom_vmap
from .custom.linear_call import custom_transpose, linear_call
from .custom.numerical import NumericalDerivativeWarning, numerical_rule
from .custom.stop_gradient import stop_gradient
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
from .odes.odeint import odeint
from .passes.inspection import inspect
from .program import make_program
from .solving.iterative import cg, gmres
from .solving.linear_solve import custom_linear_solve
from .solving.roots import argmin, custom_root, fixed_point, implicit_function, root
from .staged import RetraceWarning, staged
from .staging.threads import get_num_threads, set_num_threads
from .vmap import vmap

__all__ = [
    "NumericalDerivativeWarning",
    "RetraceWarning",
    "all_gather",
    "all_to_all",
    "argmin",
    "associative_scan",
    "axis_index",
    "axis_size",
    "cg",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "cond",
    "custom_jvp",
    "custom_linear_solve",
    "custom_root",
    "custom_transpose",
    "custom_vjp",
    "custom_vmap",
    "fixed_point",
    "fori_loop",
    "get_num_threads",
    "gmres",
    "grad",
    "hessian",
    "hvp",
    "implicit_function",
    "inspect",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linear_call",
    "linear_transpose",
    "linearize",
    "make_program",
    "map",
    "numerical_rule",
    "odeint",
    "pbroadcast",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "print_saved_residuals",
    "pshuffle",
    "psum",
    "psum_scatter",
    "pswapaxes",
    "remat",
    "root",
    "saved_residuals",
    "scan",
    "set_num_threads",
    "staged",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
    "vjp",
    "vmap",
    "while_loop",
]
