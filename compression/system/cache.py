"""Folders of this package in the user's cache."""

import os
from pathlib import Path


def find_cache(name: str, *, variable: str) -> Path:
    """Return the folder in the environment ``variable``, or else ``compression/NAME`` in the user's cache.

    The folder need not exist.
    """
    if given := os.environ.get(variable):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "compression" / name
