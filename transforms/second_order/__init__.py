"""Second derivatives without the whole Hessian: Laplacians, diagonals, Gauss-Newton products; and
directional derivatives of any order.

Read in this order: `second_trace.py`, `laplacian.py`, `gauss_newton.py`, `directional.py`.
Hessian-vector products are in `transforms/grad.py`, Hessians in `transforms/jacobian.py`.
"""
