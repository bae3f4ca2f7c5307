"""wengert: composable function transformations for plain NumPy.

    import numpy as np
    import wengert as wg

    wg.grad(lambda x: np.sum(np.sin(x)))(np.zeros(3))

`grad`, `jvp`, `vjp`, `linearize`, `vmap`, `jacobian`, `hessian` and `make_program` take a NumPy
function and return one; they compose.
"""

# NumPy first: its import takes a fifth longer from deep in the stack, where core would start it.
import numpy as _numpy  # noqa: F401  # only for the order

from . import core, errors, numpy, random, test_util, tree
from ._version import __version__
from .core import Program, Tracer
from .core.errors import WengertError
from .transforms import (
    NumericalDerivativeWarning,
    all_gather,
    all_to_all,
    associative_scan,
    axis_index,
    axis_size,
    cond,
    fori_loop,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linear_transpose,
    linearize,
    make_program,
    map,
    numerical_rule,
    pbroadcast,
    pmax,
    pmean,
    pmin,
    ppermute,
    pshuffle,
    psum,
    psum_scatter,
    pswapaxes,
    scan,
    switch,
    value_and_grad,
    value_and_hessian,
    value_and_jacobian,
    vjp,
    vmap,
    while_loop,
)

__all__ = [
    "NumericalDerivativeWarning",
    "Program",
    "Tracer",
    "WengertError",
    "__version__",
    "all_gather",
    "all_to_all",
    "associative_scan",
    "axis_index",
    "axis_size",
    "cond",
    "core",
    "errors",
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
    "numpy",
    "pbroadcast",
    "pmax",
    "pmean",
    "pmin",
    "ppermute",
    "pshuffle",
    "psum",
    "psum_scatter",
    "pswapaxes",
    "random",
    "scan",
    "switch",
    "test_util",
    "tree",
    "value_and_grad",
    "value_and_hessian",
    "value_and_jacobian",
    "vjp",
    "vmap",
    "while_loop",
]
