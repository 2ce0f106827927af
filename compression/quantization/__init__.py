"""Quantization: grids, observers of ranges, fake quantization, and networks of integers."""
