"""Magnitude with a given exponent of the cost, to compare exponents."""

from compression.pruning.criteria.magnitude import Magnitude


class CostedMagnitude(Magnitude):
    """Criterion: the absolute value of a weight, which competes as ``|w| / c^cost_exponent``."""

    def __init__(self, *, cost_exponent: float) -> None:
        self.cost_exponent = cost_exponent
