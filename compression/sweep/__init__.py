"""Many runs as one: their grid, their supervision, and the answer they end in."""
