"""Modes of differentiation besides forward and reverse, behind one interface."""
