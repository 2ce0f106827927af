"""The text of Hydra's overrides: the key of ``key=value``, and a value in quotes."""

import re


def key_of(line: str) -> str:
    """Return the key of an override, e.g. ``model.width_mult`` of ``++model.width_mult=0.5``."""
    return line.lstrip("+~").partition("=")[0].partition("@")[0]


def quote(text: str) -> str:
    """Return a text quoted, so that Hydra's grammar does not change it."""
    # A backslash is an escape only before a quote, so only there and at the end it is doubled.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text)
    return f"'{escaped}'"
