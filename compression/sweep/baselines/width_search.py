"""Which width gives a dense network the bytes that are wanted."""

import math
from collections.abc import Callable, Sequence

# One width and the next differ by 5 %, so their files by about 10 %: targets nearer than that often share one.
STEP = 0.95
NARROWEST = 0.05
# A network this many times the wanted bytes is not "of the same size".
TOO_LARGE = 1.1


def list_widths(own: float) -> list[float]:
    """Return the widths that are considered, narrowest first; the last is ``own``."""
    num_steps = math.floor(math.log(NARROWEST) / math.log(STEP))
    return [*sorted(float(f"{own * STEP**step:.3g}") for step in range(1, num_steps + 1)), own]


def choose_width(target: int, *, widths: Sequence[float], measure: Callable[[float], int | None]) -> float | None:
    """Return the width whose file is nearest to ``target`` bytes by ratio; None where even the narrowest is too large.

    ``widths`` rise, and ``measure`` with them: the bytes of one, None where the network cannot be so narrow. Where the
    widest is smaller than ``target`` it is that.
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
    """Return the one width that stands for all that give the same network, by its parameters: channels come in eights.

    It is the last of ``widths``, the network's own, or else the narrowest.
    """
    wanted = count(width)
    if count(widths[-1]) == wanted:
        return widths[-1]
    index = widths.index(width)
    while index > 0 and count(widths[index - 1]) == wanted:
        index -= 1
    return widths[index]
