"""Reverse mode that keeps less: `checkpoint`, its policies, loops that keep some of their states,
and what is kept.

Read in this order: `checkpoint.py`, `recomputation.py`, `saving.py`, `checkpointed_scan.py`.
"""
