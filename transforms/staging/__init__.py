"""Staged evaluation: a program as straight-line Python, with buffers that are used again.

Read next: `templates.py`, `emit.py`.
"""
