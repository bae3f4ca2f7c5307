"""Passes: programs to better programs with the same values, one file each.

Read next: `pipeline.py`.
"""
