"""Limits on a model's loss of accuracy, size and latency, and parsing of their units."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from compression.core.errors import InputError
from compression.core.sizes import ALLOWED, format_size, parse_size

TIME_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
# A nanosecond to eleven days. Values outside are typing errors, and too extreme to divide by.
_LEAST_MILLISECONDS, _MOST_MILLISECONDS = 1e-6, 1e9
# Excess over a limit is a fraction of the limit. For accuracy, one point counts as a tenth.
POINTS_OF_A_LIMIT = 10.0


@dataclass(frozen=True)
class Limits:
    """Upper limits on a configuration; None means no limit.

    ``max_drop`` is in points of accuracy, by validation if there is one. ``max_bytes`` is the file's size in bytes, and
    ``max_latency`` is in milliseconds per batch.
    """

    max_drop: float | None = None
    max_bytes: float | None = None
    max_latency: float | None = None

    def given(self) -> dict[str, float]:
        """Return the limits that are set, by name: drop, bytes, latency."""
        every = {"drop": self.max_drop, "bytes": self.max_bytes, "latency": self.max_latency}
        return {name: limit for name, limit in every.items() if limit is not None}

    def over(self, measures: Mapping[str, float], *, tolerance: float = 0.0) -> dict[str, float]:
        """Return the excess of each measure that is over its limit, by name.

        The excess is a fraction of the limit; for drop it is points over 10. An unmeasured value is infinitely over.
        ``tolerance`` is the fraction of a limit by which rounding may exceed it.
        """
        found: dict[str, float] = {}
        for name, limit in self.given().items():
            value = measures.get(name, math.inf)
            # Points come from a difference of fractions, so they carry a rounding error.
            if value > limit + max(tolerance * abs(limit), 1e-9 if name == "drop" else 0.0):
                found[name] = (value - limit) / POINTS_OF_A_LIMIT if name == "drop" else value / limit - 1
        return found

    def distance(self, measures: Mapping[str, float]) -> float:
        """Return the largest excess over a limit, or 0 if all limits hold."""
        return max(self.over(measures).values(), default=0.0)

    def describe(self) -> str:
        """Return the limits in words, e.g. ``at most 1 point lost, 300.0 KiB, 0.5 ms``."""
        parts = []
        if self.max_drop is not None:
            parts.append(f"{self.max_drop:g} {'point' if self.max_drop == 1 else 'points'} lost")
        if self.max_bytes is not None:
            parts.append(format_size(int(self.max_bytes)))
        if self.max_latency is not None:
            parts.append(f"{self.max_latency:g} ms")
        return f"at most {', '.join(parts)}"


def parse_milliseconds(text: str, *, key: str) -> float:
    """Return the milliseconds of a text such as ``0.5ms`` or ``0.002 s``. Raises InputError that names ``key``."""
    found = re.fullmatch(r"(\d*\.?\d+)\s*([A-Za-zµ]+)", text.strip())
    unit = TIME_UNITS.get(found[2].replace("µ", "u").lower()) if found else None
    milliseconds = float(found[1]) * unit if found and unit is not None else 0.0
    if not _LEAST_MILLISECONDS <= milliseconds <= _MOST_MILLISECONDS:
        raise InputError(f"{key}={text:.40}: must be a time above 0 such as 0.5ms, 800us or 0.1s, at most 1000000s")
    return milliseconds


def parse_bytes(text: str, *, key: str) -> int:
    """Return the bytes of a text such as ``300KiB``. Raises InputError that names ``key``, also for 0 bytes."""
    count = parse_size(text, key=key)
    if count == 0:
        raise InputError(f"{key}={text:.40}: must be above 0: {ALLOWED}")
    return count


def check_drop(points: float) -> float:
    """Return ``points``, a loss of accuracy. Raises InputError unless it is from 0 to 100."""
    if not 0 <= points <= 100:
        raise InputError(f"--max-drop {points} is not a number of points that may be lost; allowed: 0 to 100, e.g. 1.0")
    return points
