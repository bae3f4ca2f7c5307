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
from .export.numpy_source import define_numpy_source, to_numpy_source
from .grad import grad, hvp, value_and_grad
from .hessian import hessian, value_and_hessian
from .jacobian import jacfwd, jacobian, jacrev, value_and_jacobian
from .jvp import jvp
from .linearize import linear_transpose, linearize, vjp
from .maps.check_linear import LinearityReport, check_linear
from .maps.derivative_map import derivative_map, linear_map, value_and_derivative_map
from .maps.estimators import Estimate
from .maps.linear_map import LinearMap
from .modes.choosing import WastefulModeWarning
from .modes.compare import compare_modes
from .modes.engines import ENGINES as MODES
from .modes.finite import finite_difference
from .modes.plan import plan
from .odes.odeint import odeint
from .passes.inspection import inspect
from .program import make_program
from .second_order.directional import directional_derivative
from .second_order.gauss_newton import gnvp
from .second_order.laplacian import ForwardLaplacian, forward_laplacian, hessian_diagonal, laplacian
from .solving.iterative import cg, gmres
from .solving.linear_solve import custom_linear_solve
from .solving.roots import argmin, custom_root, fixed_point, implicit_function, root
from .sparse import (
    SparsePlan,
    hessian_sparsity,
    jacobian_sparsity,
    sparse_hessian,
    sparse_jacobian,
)
from .staged import RetraceWarning, staged
from .staging.threads import get_num_threads, set_num_threads
from .symbolic.formulas import SymbolicDerivative, symbolic_derivative, to_latex, to_sympy
from .taylor.derivatives import derivatives
from .taylor.jet import jet
from .taylor.polynomial import TaylorPolynomial, taylor
from .vmap import vmap

__all__ = [
    "Estimate",
    "ForwardLaplacian",
    "LinearMap",
    "LinearityReport",
    "MODES",
    "NumericalDerivativeWarning",
    "RetraceWarning",
    "SparsePlan",
    "SymbolicDerivative",
    "TaylorPolynomial",
    "WastefulModeWarning",
    "all_gather",
    "all_to_all",
    "argmin",
    "associative_scan",
    "axis_index",
    "axis_size",
    "cg",
    "check_linear",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "compare_modes",
    "cond",
    "custom_jvp",
    "custom_linear_solve",
    "custom_root",
    "custom_transpose",
    "custom_vjp",
    "custom_vmap",
    "define_numpy_source",
    "derivative_map",
    "derivatives",
    "directional_derivative",
    "finite_difference",
    "fixed_point",
    "fori_loop",
    "forward_laplacian",
    "get_num_threads",
    "gmres",
    "gnvp",
    "grad",
    "hessian",
    "hessian_diagonal",
    "hessian_sparsity",
    "hvp",
    "implicit_function",
    "inspect",
    "jacfwd",
    "jacobian",
    "jacobian_sparsity",
    "jacrev",
    "jet",
    "jvp",
    "laplacian",
    "linear_call",
    "linear_map",
    "linear_transpose",
    "linearize",
    "make_program",
    "map",
    "numerical_rule",
    "odeint",
    "pbroadcast",
    "plan",
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
    "sparse_hessian",
    "sparse_jacobian",
    "staged",
    "stop_gradient",
    "switch",
    "symbolic_derivative",
    "taylor",
    "to_latex",
    "to_numpy_source",
    "to_sympy",
    "value_and_derivative_map",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
    "vjp",
    "vmap",
    "while_loop",
]
