"""Operations between the members of a batch, by the name of its axis.

Read in this order: `collective_rules.py`, `collectives.py`, `exchanges.py`.
"""
