"""The check of counts that criteria, schedules and regrowths share."""

from compression.core.errors import InputError


def check_count(count: int, *, key: str) -> int:
    """Return ``count`` if it is an integer of at least 1; raise ``InputError`` naming ``key`` otherwise."""
    if type(count) is not int or count < 1:
        raise InputError(f"{key}={count}: must be an integer >= 1")
    return count
