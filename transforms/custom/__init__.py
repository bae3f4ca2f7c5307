"""Functions with rules of the user's, and functions that cannot be traced.

Read in this order: `custom_rules.py`, `custom_call.py`, `custom_apply.py`, `linear_call.py`,
`numerical.py`.
"""
