"""Rounding that weighs accuracy against the bits an entropy coder needs (RDOQ)."""
