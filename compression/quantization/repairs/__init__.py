"""Repairs of rounding errors that need no labels: equalization, AdaRound, bias correction, scale refitting."""
