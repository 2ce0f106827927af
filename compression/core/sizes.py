"""Sizes in bytes, as people write and read them."""

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
# 1 EiB: no disk has more.
_MOST = 2**60
ALLOWED = "a size such as 300KiB, 1.5MB or 5GiB (KB, MB, GB, KiB, MiB, GiB, TiB), or a number of bytes"


def parse_size(text: str, *, key: str) -> int:
    """Return the bytes of e.g. ``1.5GiB``, rounded down; raises ``InputError``, which says that ``key`` asked."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    unit = found and next((factor for name, factor in _UNITS.items() if name.lower() == found[2].lower()), None)
    if not found or unit is None:
        raise InputError(f"{key}={text:.40}: must be {ALLOWED}")
    if float(found[1]) * unit > _MOST:
        raise InputError(f"{key}={text:.40}: is more than any disk has; must be {ALLOWED}")
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit


def format_size(count: int) -> str:
    """Return e.g. ``512 bytes``, ``8.5 KiB``, ``8.54 MiB``, ``1.20 GiB``."""
    if count >= _UNITS["GiB"]:
        return f"{count / _UNITS['GiB']:.2f} GiB"
    if count >= _UNITS["MiB"]:
        return f"{count / _UNITS['MiB']:.2f} MiB"
    return f"{count / _UNITS['KiB']:.1f} KiB" if count >= _UNITS["KiB"] else f"{count} bytes"
