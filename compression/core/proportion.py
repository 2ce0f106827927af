"""The 95 % interval of a fraction, in closed form: `inspect` has no SciPy."""

import math
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of ``hits / total``, both ends in [0, 1] (Wilson 1927).

    ``(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)``. Raises ValueError unless
    ``0 <= hits <= total`` and ``total`` is at least 1.
    """
    if not 0 <= hits <= total or total < 1:
        raise ValueError(f"hits={hits} of total={total}: allowed: 0 <= hits <= total, total >= 1")
    share, square = hits / total, _Z**2 / total
    middle = share + square / 2
    half = math.sqrt(square * (share * (1 - share) + square / 4))
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    # Rounding must not leave a sliver at the ends.
    return (0.0 if hits == 0 else low), (1.0 if hits == total else high)
