"""Search for the width at which a dense network's file has a given size."""

import math
from collections.abc import Callable, Sequence

# Neighbouring widths differ by 5 %, so their files differ by about 10 %. Targets closer than that often share a width.
STEP = 0.95
NARROWEST = 0.05
# A file larger than this multiple of the target does not count as "of the same size".
TOO_LARGE = 1.1


def list_widths(own: float) -> list[float]:
    """Return the candidate widths, narrowest first; the last is ``own``, the network's configured width."""
    num_steps = math.floor(math.log(NARROWEST) / math.log(STEP))
    return [*sorted(float(f"{own * STEP**step:.3g}") for step in range(1, num_steps + 1)), own]


def choose_width(target: int, *, widths: Sequence[float], measure: Callable[[float], int | None]) -> float | None:
    """Return the width whose file size is nearest to ``target`` bytes by ratio.

    ``widths`` are in rising order. ``measure`` returns the bytes at a width, which rise too, or None if the network
    cannot be that narrow. If even the narrowest file is too large, return None. If even the widest file is smaller than
    ``target``, return the widest.
    """
    low, high = 0, len(widths)
    while low < high:
        middle = (low + high) // 2
        if (measure(widths[middle]) or 0) >= target:
            high = middle
        else:
            low = middle + 1
    above = measure(widths[low]) if low < len(widths) else None
    below = measure(widths[low - 1]) if low > 0 else None
    if above is None:
        return None if below is None else widths[low - 1]
    if below is None:
        return widths[low] if above <= TOO_LARGE * target else None
    return widths[low - 1] if target / below <= above / target else widths[low]


def settle_width(width: float, *, widths: Sequence[float], count: Callable[[float], int | None]) -> float:
    """Return one width for all those that give the same network, because channels are rounded to multiples of eight.

    ``count`` returns the number of parameters at a width; equal counts mean the same network. The result is the
    network's own width, the last of ``widths``, if that gives the same network, and otherwise the narrowest.
    """
    wanted = count(width)
    if count(widths[-1]) == wanted:
        return widths[-1]
    index = widths.index(width)
    while index > 0 and count(widths[index - 1]) == wanted:
        index -= 1
    return widths[index]
