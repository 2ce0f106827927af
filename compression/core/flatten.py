"""Nested settings as pairs of a path and a value."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(settings: Mapping[str, Any], *, separator: str = ".", at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is no mapping under its path, e.g. ``training.optimizer.lr``, in order.

    Paths start with ``at``. Lists are values.
    """
    for key, value in settings.items():
        path = f"{at}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, separator=separator, at=f"{path}{separator}")
        else:
            yield path, value
