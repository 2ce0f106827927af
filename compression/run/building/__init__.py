"""Builds what stages work on from the configuration: networks, strategies, quantization plans."""
