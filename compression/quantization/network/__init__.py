"""Networks that round: traced graphs, simulated rounding, and networks of integers."""
