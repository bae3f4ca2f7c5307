"""SciPy's functions on traced values, one file for each of SciPy's packages.

Nothing imports this package until it is needed: SciPy is optional, and its import takes longer than
ours. `wengert.scipy` shows users the names; a ufunc of `scipy.special` that meets a traced value
loads `special.py` by itself (`find_ufunc` in `../dispatch.py`).
"""
