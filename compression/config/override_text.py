"""The text of Hydra's overrides: the key of ``key=value``, and a value in quotes."""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

# YAML reads 1e-4 as text, and Hydra as the number that it is.
_POWER = re.compile(r"[+-]?\d+e[+-]?\d+", re.IGNORECASE)


def key_of(line: str) -> str:
    """Return the key of an override, e.g. ``model.width_mult`` of ``++model.width_mult=0.5``."""
    return line.lstrip("+~").partition("=")[0].partition("@")[0]


def quote(text: str) -> str:
    """Return a text quoted, so that Hydra's grammar does not change it."""
    # A backslash is an escape only before a quote, so only there and at the end it is doubled.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"


def quote_if_needed(text: str) -> str:
    """Return a text as Hydra reads it: in quotes, unless it is plain, or written as a list, a mapping or a number 1e-4.

    So ``null``, ``0.5`` and ``a,b`` stay texts.
    """
    if _POWER.fullmatch(text):
        return text
    try:
        override = OverridesParser.create().parse_override(f"key={text}")
        found = None if override.is_sweep_override() else override.value()
    except HydraException:
        return quote(text)
    is_quoted = isinstance(found, str) and text[:1] in ("'", '"')
    return text if found == text or is_quoted or isinstance(found, list | dict) else quote(text)
