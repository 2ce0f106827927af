"""Quantization: integer grids, range observers, fake quantization, and integer networks."""
