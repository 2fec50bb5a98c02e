"""Cutting: which positions of which constants go together, and a graph without them."""
