"""Rows for scipy.special: Bessel functions and their kind, integrals, polynomials, distributions.

Their orders, degrees and some parameters have no derivative, and are fixed here.
"""

from __future__ import annotations

from typing import Any

from scipy.special import obl_cv, pro_cv

from specs.scipy_special import INF, Span, fixed, rows, ufunc_row
from specs.table import Spec

ORDERS = fixed(0.0, 1.0, 2.5)
COUNTS = fixed(0, 1, 3)
AT = (0.0, 1.0, 50.0, -1.0)

BESSEL = rows(
    *[
        ufunc_row(name, ORDERS, (0.5, 4), complex_=(0.5, 2), special=AT)
        for name in ("jv", "iv", "jve", "ive")
    ],
    *[
        ufunc_row(name, ORDERS, (0.8, 4), complex_=(0.5, 2), special=AT, tolerance=16)
        for name in ("yv", "kv", "yve", "kve")
    ],
    *[
        ufunc_row(name, ORDERS, (0.8, 2), complex_=(0.5, 2), tolerance=64)
        for name in ("hankel1", "hankel2", "hankel1e", "hankel2e")
    ],
    *[ufunc_row(name, COUNTS, (0.8, 4), special=AT, tolerance=64) for name in ("yn", "kn")],
    *[
        ufunc_row(name, (0.5, 4), special=(*AT, INF), tolerance=16)
        for name in ["j0", "j1", "i0", "i1", "i0e", "i1e", "y0", "y1", "k0", "k1", "k0e", "k1e"]
    ],
    ufunc_row("airy", (-2, 2), special=AT, complex_=(-1, 1), tolerance=16),
    ufunc_row("airye", (0.3, 2), special=AT, complex_=(0.2, 1), tolerance=16),
    ufunc_row("itairy", (0.3, 2), full=False, order=2, tolerance=4000),
    *[
        ufunc_row(name, (0.5, 3), full=False, tolerance=16)
        for name in ["kelvin", "ber", "bei", "ker", "kei", "berp", "beip", "kerp", "keip"]
    ],
    ufunc_row("struve", ORDERS, (0.5, 3), tolerance=16),
    ufunc_row("modstruve", ORDERS, (0.5, 3), tolerance=16),
    *[
        ufunc_row(name, (0.5, 3), full=False, tolerance=64)
        for name in [
            "itstruve0",
            "it2struve0",
            "itmodstruve0",
            "iti0k0",
            "it2i0k0",
            "itj0y0",
            "it2j0y0",
        ]
    ],
    ufunc_row("besselpoly", (0.5, 1.5), fixed(1.5), fixed(2.0), full=False),
)

INTEGRALS = rows(
    ufunc_row("exp1", (0.5, 3), special=AT, complex_=(0.5, 2)),
    ufunc_row("expi", (0.5, 3), special=AT, complex_=(0.5, 2)),
    ufunc_row("expn", fixed(0, 1, 2, 5), (0.5, 3), special=AT, tolerance=16),
    ufunc_row("sici", (0.5, 3), special=AT, complex_=(0.5, 2)),
    ufunc_row("shichi", (0.5, 3), special=AT, complex_=(0.5, 2)),
    ufunc_row("spence", (0.3, 2), special=(0.0, 1.0, 50.0), complex_=(0.5, 2)),
    ufunc_row("ellipk", (-1, 0.8), special=(0.0, 1.0, 2.0)),
    ufunc_row("ellipkm1", (0.2, 2), special=(0.0, 1.0, 1e-20)),
    ufunc_row("ellipe", (-1, 0.8), special=(0.0, 1.0, 2.0)),
    ufunc_row("ellipkinc", (-4, 4), (-1, 0.6), tolerance=16),
    ufunc_row("ellipeinc", (-4, 4), (-1, 0.6), tolerance=16),
    ufunc_row("ellipj", (-2, 2), (0.1, 0.8), tolerance=16),
    ufunc_row("elliprc", (0.5, 1), (1.2, 2), complex_=(1.2, 2)),
    ufunc_row("elliprf", (0.5, 1), (0.5, 1), (0.5, 1), complex_=(1.2, 2)),
    ufunc_row("elliprd", (0.5, 1), (0.5, 1), (0.5, 1), complex_=(1.2, 2)),
    ufunc_row("elliprg", (0.5, 1), (0.5, 1), (0.5, 1), complex_=(1.2, 2)),
    ufunc_row("elliprj", (0.5, 1), (0.5, 1), (0.5, 1), (0.5, 1), complex_=(1.2, 2)),
    ufunc_row("agm", (0.5, 2), (0.5, 2), special=(0.0, 1.0, INF)),
)

HYPERGEOMETRIC = rows(
    ufunc_row("hyp0f1", fixed(1.5, 2.0), (-2, 2), complex_=(-1, 1)),
    ufunc_row(
        "hyp1f1", fixed(1.5, -2.0), fixed(2.5, 0.7), (-2, 2), complex_=(-1, 1), trusted=False
    ),
    ufunc_row(
        "hyp2f1", fixed(1.5, -2.0), fixed(0.5, 1.0), fixed(2.5, 0.7), (-0.6, 0.6),
        complex_=(-0.5, 0.5), tolerance=64,
    ),
    ufunc_row("hyperu", fixed(1.5), fixed(0.7), (0.5, 2), tolerance=64),
    ufunc_row("wright_bessel", fixed(1.5), fixed(1.1), (0.2, 2), full=False),
    ufunc_row("log_wright_bessel", fixed(1.5), fixed(1.1), (0.2, 2), full=False),
)  # fmt: skip


def _degrees(name: str, lo: float, hi: float, *parameters: Any) -> tuple[Spec, ...]:
    integers = name in ("eval_hermite", "eval_hermitenorm")
    return ufunc_row(
        name,
        COUNTS if integers else fixed(0, 1, 3, 2.5),
        *parameters,
        (lo, hi),
        complex_=None if integers else (lo, hi),
        full=integers,
        tolerance=64,
        trusted=not name.endswith(("laguerre", "legendre")),
    )


POLYNOMIALS = rows(
    _degrees("eval_legendre", -0.7, 0.7),
    _degrees("eval_chebyt", -0.7, 0.7),
    _degrees("eval_chebyu", -0.7, 0.7),
    _degrees("eval_chebyc", -0.7, 0.7),
    _degrees("eval_chebys", -0.7, 0.7),
    _degrees("eval_sh_legendre", 0.2, 0.8),
    _degrees("eval_sh_chebyt", 0.2, 0.8),
    _degrees("eval_sh_chebyu", 0.2, 0.8),
    _degrees("eval_laguerre", 0.2, 2),
    _degrees("eval_hermite", -1, 1),
    _degrees("eval_hermitenorm", -1, 1),
    _degrees("eval_genlaguerre", 0.2, 2, fixed(*[0.5] * 4)),
    _degrees("eval_gegenbauer", -0.7, 0.7, fixed(*[0.7] * 4)),
    _degrees("eval_jacobi", -0.7, 0.7, fixed(*[0.7] * 4), fixed(*[0.4] * 4)),
    _degrees("eval_sh_jacobi", 0.2, 0.8, fixed(*[2.7] * 4), fixed(*[1.4] * 4)),
    ufunc_row("lpmv", fixed(0, 1, 2), fixed(2.0, 3.0, 2.5), (-0.7, 0.7), tolerance=64),
)

_EQUATIONS: dict[str, tuple[tuple[Any, ...], Span]] = {
    "mathieu_cem": ((2, 1.5), (10, 80)),
    "mathieu_sem": ((2, 1.5), (10, 80)),
    "mathieu_modcem1": ((2, 1.5), (0.3, 1)),
    "mathieu_modcem2": ((2, 1.5), (0.3, 1)),
    "mathieu_modsem1": ((2, 1.5), (0.3, 1)),
    "mathieu_modsem2": ((2, 1.5), (0.3, 1)),
    "pbdv": ((1.5,), (-1, 2)),
    "pbvv": ((1.5,), (-1, 2)),
    "pbwa": ((1.5,), (0.3, 2)),
    "pro_ang1": ((1, 2, 0.8), (-0.7, 0.7)),
    "obl_ang1": ((1, 2, 0.8), (-0.7, 0.7)),
    "pro_rad1": ((1, 2, 0.8), (1.5, 2.5)),
    "obl_rad1": ((1, 2, 0.8), (0.5, 1.5)),
    "pro_ang1_cv": ((1, 2, 0.8, pro_cv(1, 2, 0.8)), (-0.7, 0.7)),
    "obl_ang1_cv": ((1, 2, 0.8, obl_cv(1, 2, 0.8)), (-0.7, 0.7)),
    "pro_rad1_cv": ((1, 2, 0.8, pro_cv(1, 2, 0.8)), (1.5, 2.5)),
    "obl_rad1_cv": ((1, 2, 0.8, obl_cv(1, 2, 0.8)), (0.5, 1.5)),
}

WAVES = rows(
    *[
        ufunc_row(
            name,
            *[fixed(p) for p in parameters],
            span,
            full=False,
            single=name.startswith("pb"),
            tolerance=200,
        )
        for name, (parameters, span) in _EQUATIONS.items()
    ]
)

F8: dict[str, Any] = {"full": False, "single": False}

DISTRIBUTIONS = rows(
    ufunc_row("chdtr", (1, 4), (0.5, 3)),
    ufunc_row("chdtrc", (1, 4), (0.5, 3)),
    ufunc_row("chdtri", (1, 4), (0.2, 0.8), full=False, tolerance=64),
    ufunc_row("chdtriv", (0.2, 0.8), (0.8, 3), full=False, tolerance=1000),
    ufunc_row("gdtr", (0.5, 1.5), (1, 3), (0.5, 3)),
    ufunc_row("gdtrc", (0.5, 1.5), (1, 3), (0.5, 3)),
    ufunc_row("gdtria", (0.2, 0.8), (1, 3), (0.8, 3), full=False, tolerance=1000),
    ufunc_row("gdtrib", (0.5, 1.5), (0.2, 0.8), (0.8, 3), full=False, tolerance=1000),
    ufunc_row("gdtrix", (0.5, 1.5), (1, 3), (0.2, 0.8), full=False, tolerance=1000),
    ufunc_row("pdtr", fixed(0, 2, 2.5), (0.5, 3), full=False),
    ufunc_row("pdtrc", fixed(0, 2, 2.5), (0.5, 3), full=False),
    ufunc_row("pdtri", fixed(0, 2), (0.2, 0.8), full=False, tolerance=64),
    ufunc_row("pdtrik", (0.4, 0.8), (1, 3), full=False, tolerance=1000),
    ufunc_row("bdtr", fixed(0.0, 2.5, 5.0), fixed(5, 5, 5), (0.2, 0.8), **F8),
    ufunc_row("bdtrc", fixed(0.0, 2.5, 5.0), fixed(5, 5, 5), (0.2, 0.8), **F8),
    ufunc_row("bdtri", fixed(0.0, 2.5), fixed(5, 5), (0.2, 0.8), tolerance=64, **F8),
    ufunc_row("bdtrik", (0.3, 0.8), (4, 6), (0.3, 0.6), full=False, tolerance=1000),
    ufunc_row("bdtrin", (1, 2), (0.3, 0.7), (0.3, 0.6), full=False, tolerance=1000),
    ufunc_row("nbdtr", fixed(0, 2), fixed(3, 5), (0.2, 0.8), full=False),
    ufunc_row("nbdtrc", fixed(0, 2), fixed(3, 5), (0.2, 0.8), full=False),
    ufunc_row("nbdtri", fixed(0, 2), fixed(3, 5), (0.2, 0.8), full=False, tolerance=64),
    ufunc_row("nbdtrik", (0.4, 0.8), (3, 5), (0.3, 0.6), full=False, tolerance=1000),
    ufunc_row("nbdtrin", (1, 3), (0.3, 0.7), (0.3, 0.6), full=False, tolerance=1000),
    ufunc_row("btdtria", (0.3, 0.7), (1, 3), (0.3, 0.7), full=False, tolerance=1000),
    ufunc_row("btdtrib", (1, 3), (0.3, 0.7), (0.3, 0.7), full=False, tolerance=1000),
    ufunc_row("fdtr", (2, 5), (2, 5), (0.5, 2)),
    ufunc_row("fdtrc", (2, 5), (2, 5), (0.5, 2)),
    ufunc_row("fdtri", (2, 5), (2, 5), (0.2, 0.8), full=False, tolerance=1000),
    ufunc_row("fdtridfd", (2, 5), (0.45, 0.55), (0.9, 1.1), order=1, tolerance=1e4, **F8),
    ufunc_row("stdtr", (1, 5), (-2, 2), special=(0.0, 1e300, -INF)),
    ufunc_row("stdtridf", (0.85, 0.9), (1.8, 2), order=1, tolerance=1e4, **F8),
    ufunc_row("stdtrit", (1, 5), (0.2, 0.8), full=False, tolerance=1000),
    ufunc_row("chndtr", (0.5, 3), fixed(2.5, 1.0), (0.3, 2), full=False, tolerance=1e4),
    ufunc_row("chndtrix", (0.3, 0.7), fixed(2.5), (0.3, 2), full=False, order=1, tolerance=1e4),
    ufunc_row("chndtrinc", (2, 3), fixed(2.5), (0.3, 0.4), full=False, order=1, tolerance=1e4),
    ufunc_row("nrdtrimn", (0.2, 0.4), (0.5, 2), (-1, 1), full=False),
    ufunc_row("nrdtrisd", (0.5, 1), (0.7, 0.9), (1.5, 2), full=False),
    ufunc_row("tklmbda", (-0.3, 0.3), (-0.5, 1.5), tolerance=64, special=(0.0, 5.0)),
    ufunc_row("kolmogorov", (0.4, 1.5), special=(0.0, -1.0, 0.8, INF)),
    ufunc_row("kolmogi", (0.2, 0.8), full=False, tolerance=16),
    ufunc_row("smirnov", fixed(5), (0.21, 0.29), full=False, order=1, also=("_smirnovp",)),
    ufunc_row("smirnovi", fixed(5), (0.2, 0.5), full=False, order=1, tolerance=16),
)


def _flat(name: str, *parameters: Any) -> tuple[Spec, ...]:
    """A function of which no derivative is known: its values alone are checked, on ints and
    numbers that are not differentiated.
    """
    return ufunc_row(name, *[fixed(p) for p in parameters], full=False, single=False)


WITHOUT_DERIVATIVE = rows(
    _flat("zetac", 2.5),
    _flat("mathieu_a", 2, 1.5),
    _flat("mathieu_b", 2, 1.5),
    _flat("pro_cv", 1, 2, 0.8),
    _flat("obl_cv", 1, 2, 0.8),
    _flat("pro_rad2", 1, 2, 0.8, 1.7),
    _flat("obl_rad2", 1, 2, 0.8, 1.7),
    _flat("pro_rad2_cv", 1, 2, 0.8, 6.3, 1.7),
    _flat("obl_rad2_cv", 1, 2, 0.8, 5.7, 1.7),
    _flat("ncfdtr", 2.0, 3.0, 0.5, 1.5),
    _flat("ncfdtri", 2.0, 3.0, 0.5, 0.6),
    _flat("ncfdtridfd", 2.0, 0.4, 0.5, 1.5),
    _flat("ncfdtridfn", 0.4, 3.0, 0.5, 1.5),
    _flat("ncfdtrinc", 2.0, 3.0, 0.4, 1.5),
    _flat("nctdtr", 3.0, 0.5, 1.5),
    _flat("nctdtridf", 0.6, 0.5, 1.5),
    _flat("nctdtrinc", 3.0, 0.6, 1.5),
    _flat("nctdtrit", 3.0, 0.5, 0.6),
    _flat("chndtridf", 2.0, 0.5, 0.7),
)

SCIPY_SPECIAL_MORE = (
    *BESSEL,
    *INTEGRALS,
    *HYPERGEOMETRIC,
    *POLYNOMIALS,
    *WAVES,
    *DISTRIBUTIONS,
    *WITHOUT_DERIVATIVE,
)
