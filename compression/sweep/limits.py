"""What a model may cost, in the units people write."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from compression.core.errors import InputError
from compression.reporting.table import format_bytes

BYTE_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
TIME_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
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
            parts.append(format_bytes(int(self.max_bytes)))
        if self.max_latency is not None:
            parts.append(f"{self.max_latency:g} ms")
        return f"at most {', '.join(parts)}"


def parse_bytes(text: str) -> float:
    """Return the bytes of e.g. ``300KiB``, ``1.5 MB`` or ``300000``; InputError names the units."""
    return _parse(text, BYTE_UNITS, what="size", plain="B", example="300KiB")


def parse_milliseconds(text: str) -> float:
    """Return the milliseconds of e.g. ``0.5ms`` or ``0.002 s``; InputError names the units."""
    return _parse(text, TIME_UNITS, what="time", plain=None, example="0.5ms")


def check_drop(points: float) -> float:
    """Return the points; InputError unless it is a number."""
    if not math.isfinite(points):
        raise InputError(f"--max-drop {points} is not a number of points; allowed: e.g. 1.0, below 0 for a gain")
    return points


def _parse(text: str, units: dict[str, float] | dict[str, int], *, what: str, plain: str | None, example: str) -> float:
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-zµ]*)\s*", text)
    # Units are told apart without their case: no two of one table differ by it alone.
    known = {name.lower(): size for name, size in units.items()}
    unit = (found[2].replace("µ", "u") or plain or "").lower() if found else ""
    if found is None or unit not in known or not 0 < float(found[1]) < math.inf:
        bare = "; a number alone is bytes" if plain else ""
        raise InputError(
            f"{text!r} is not a {what}; allowed: a number above 0 and {_list(units)}, e.g. {example}{bare}"
        )
    return float(found[1]) * known[unit]


def _list(units: dict[str, float] | dict[str, int]) -> str:
    *most, last = units
    return f"{', '.join(most)} or {last}"
