"""Callbacks: they say when; the maths is elsewhere."""
