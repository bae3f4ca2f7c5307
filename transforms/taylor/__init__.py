"""Taylor mode: derivatives of high order by arithmetic with truncated power series.

Start with `jet.py`.
"""
