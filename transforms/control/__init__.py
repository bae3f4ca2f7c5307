"""Branches and loops: primitives that hold programs, and what users call.

Read in this order: `structured.py`, `subprograms.py`, `cond.py`, `while_loop.py`, `scan.py`,
`loops.py`.
"""
