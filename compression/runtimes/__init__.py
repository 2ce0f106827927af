"""Engines that run a model: siblings behind one small protocol, and how they are timed."""
