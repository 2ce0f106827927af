"""Quantized networks: traced graphs, networks that simulate rounding, and integer networks."""
