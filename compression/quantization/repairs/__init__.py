"""Repairs after rounding, without labels: equalization, AdaRound, bias correction, scale refitting."""
