"""Pruning as criterion x granularity x allocation x schedule: pure functions, and thin classes for yaml files."""
