"""What a model may cost, in the units people write."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from compression.core.errors import InputError
from compression.core.sizes import ALLOWED, format_size, parse_size

TIME_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
# A nanosecond to eleven days: what lies outside is a slip of the keyboard, and no number to divide by.
_LEAST_MILLISECONDS, _MOST_MILLISECONDS = 1e-6, 1e9
# By how much a limit is missed, as fractions of it; a point of accuracy counts as a tenth.
POINTS_OF_A_LIMIT = 10.0


@dataclass(frozen=True)
class Limits:
    """The most that may be lost (points, by validation where there is one), weigh (bytes), take (milliseconds)."""

    max_drop: float | None = None
    max_bytes: float | None = None
    max_latency: float | None = None

    def given(self) -> dict[str, float]:
        """Return the limits that there are: drop, bytes, latency."""
        every = {"drop": self.max_drop, "bytes": self.max_bytes, "latency": self.max_latency}
        return {name: limit for name, limit in every.items() if limit is not None}

    def over(self, measures: Mapping[str, float], *, tolerance: float = 0.0) -> dict[str, float]:
        """Return what is over its limit and by what fraction of it; what was not measured is infinitely over.

        ``tolerance`` is the fraction of a limit that rounding may add.
        """
        found: dict[str, float] = {}
        for name, limit in self.given().items():
            value = measures.get(name, math.inf)
            # Points are a difference of fractions, never exact.
            if value > limit + max(tolerance * abs(limit), 1e-9 if name == "drop" else 0.0):
                found[name] = (value - limit) / POINTS_OF_A_LIMIT if name == "drop" else value / limit - 1
        return found

    def distance(self, measures: Mapping[str, float]) -> float:
        """Return the largest miss; 0 within the limits."""
        return max(self.over(measures).values(), default=0.0)

    def describe(self) -> str:
        """Return e.g. ``at most 1 point lost, 300.0 KiB, 0.5 ms``."""
        parts = []
        if self.max_drop is not None:
            parts.append(f"{self.max_drop:g} {'point' if self.max_drop == 1 else 'points'} lost")
        if self.max_bytes is not None:
            parts.append(format_size(int(self.max_bytes)))
        if self.max_latency is not None:
            parts.append(f"{self.max_latency:g} ms")
        return f"at most {', '.join(parts)}"


def parse_milliseconds(text: str, *, key: str) -> float:
    """Return the milliseconds of e.g. ``0.5ms`` or ``0.002 s``; InputError says that ``key`` asked."""
    found = re.fullmatch(r"(\d*\.?\d+)\s*([A-Za-zµ]+)", text.strip())
    unit = TIME_UNITS.get(found[2].replace("µ", "u").lower()) if found else None
    milliseconds = float(found[1]) * unit if found and unit is not None else 0.0
    if not _LEAST_MILLISECONDS <= milliseconds <= _MOST_MILLISECONDS:
        raise InputError(f"{key}={text:.40}: must be a time above 0 such as 0.5ms, 800us or 0.1s, at most 1000000s")
    return milliseconds


def parse_bytes(text: str, *, key: str) -> int:
    """Return the bytes of e.g. ``300KiB``; InputError says that ``key`` asked."""
    count = parse_size(text, key=key)
    if count == 0:
        raise InputError(f"{key}={text:.40}: must be above 0: {ALLOWED}")
    return count


def check_drop(points: float) -> float:
    """Return the points; InputError unless an accuracy can lose as many."""
    if not -100 <= points <= 100:
        raise InputError(
            f"--max-drop {points} is not a number of points; allowed: -100 to 100, e.g. 1.0, below 0 for a gain"
        )
    return points
