"""Engines that run a model, behind one small protocol, and measurements of their latency."""
