"""Checks that observers share: valid parameters, and at least one batch of values."""

from typing import TypeVar

from compression.core.errors import InputError

T = TypeVar("T")


def check_candidates(num_candidates: int) -> int:
    """Return ``num_candidates`` if it is an integer from 1 to 10000; otherwise raise ``InputError``."""
    if type(num_candidates) is not int or not 1 <= num_candidates <= 10000:
        raise InputError(f"num_candidates={num_candidates}: must be an integer in [1, 10000]")
    return num_candidates


def check_positive(value: float, *, key: str, most: float) -> float:
    """Return ``value`` as a float if it is a number in (0, most]; otherwise raise ``InputError`` that names ``key``."""
    if type(value) not in (int, float) or not 0 < value <= most:
        raise InputError(f"{key}={value}: must be a number in (0, {most}]")
    return float(value)


def check_seen(seen: T | None, *, observer: object) -> T:
    """Return ``seen``, the state of an observer; raises ``InputError`` if it is None, so that no scale is known."""
    if seen is None:
        raise InputError(f"observer {type(observer).__name__} saw no values: its scale needs at least one batch")
    return seen
