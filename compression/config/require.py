"""The one form in which a wrong value is refused."""

from compression.core.errors import InputError


def require(ok: bool, key: str, value: object, allowed: str) -> None:
    """Raise ``InputError`` naming the key, its value and what is allowed unless ``ok``."""
    if not ok:
        raise InputError(f"{key}={value}: must be {allowed}")
