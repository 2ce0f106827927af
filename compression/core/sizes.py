"""Sizes in bytes as text such as "1.5 GiB"."""

import re

from compression.core.errors import InputError

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
# 1 EiB: more than any disk has.
_MOST = 2**60
ALLOWED = "a size such as 300KiB, 1.5MB or 5GiB (KB, MB, GB, KiB, MiB, GiB, TiB), or a number of bytes"


def parse_size(text: str, *, key: str) -> int:
    """Return the number of bytes in a text such as ``1.5GiB``, rounded down.

    Raises ``InputError`` for a text that is not a size, or a size above 1 EiB. The error names ``key``, the setting
    that holds the text.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = found and next((factor for name, factor in _UNITS.items() if name.lower() == found[2].lower()), None)
    if not found or unit is None:
        raise InputError(f"{key}={text:.40}: must be {ALLOWED}")
    if float(found[1]) * unit > _MOST:
        raise InputError(f"{key}={text:.40}: is more than any disk has; must be {ALLOWED}")
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit


def format_size(count: int) -> str:
    """Return ``count`` bytes as text, such as ``512 bytes``, ``8.5 KiB``, ``8.54 MiB`` or ``1.20 GiB``."""
    if count >= _UNITS["GiB"]:
        return f"{count / _UNITS['GiB']:.2f} GiB"
    if count >= _UNITS["MiB"]:
        return f"{count / _UNITS['MiB']:.2f} MiB"
    return f"{count / _UNITS['KiB']:.1f} KiB" if count >= _UNITS["KiB"] else f"{count} bytes"
