"""Search beyond a grid: a sweep that grows by one drawn trial after the other."""
