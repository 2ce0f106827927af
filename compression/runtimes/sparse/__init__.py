"""The sparse engine: networks as tables of their non-zero weights, run by a few compiled kernels."""
