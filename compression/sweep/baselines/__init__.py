"""Baselines of a sweep: random pruning, and small dense networks."""
