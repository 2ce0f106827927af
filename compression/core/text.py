"""Words of messages: a count with its noun, a list cut to its first items, a fraction in percent, an amount."""

from collections.abc import Sequence


def count_noun(num: int, noun: str) -> str:
    """Return e.g. ``1 image`` or ``1,200 images``."""
    return f"{num:,} {noun}" + ("" if num == 1 else "s")


def shorten(names: Sequence[str], *, limit: int = 12, separator: str = ", ") -> str:
    """Return the first ``limit`` names joined by ``separator``, and the number of others: ``a, b and 2 more``."""
    rest = len(names) - limit
    return separator.join(names[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def percent(fraction: float | None, *, unit: str = " %", unknown: str = "-") -> str:
    """Return a fraction in percent, e.g. ``89.90 %``, or ``unknown`` for None."""
    return unknown if fraction is None else f"{100 * fraction:.2f}{unit}"


def write_amount(value: float) -> str:
    """Return a number with two decimals, or with two digits if it is below 0.1."""
    return f"{value:,.2f}" if value >= 0.1 or not value else f"{value:.2g}"
