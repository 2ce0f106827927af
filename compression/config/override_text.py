"""The text of Hydra's overrides: the key of ``key=value``, and a value in quotes."""


def key_of(line: str) -> str:
    """Return the key of an override, e.g. ``model.width_mult`` of ``++model.width_mult=0.5``."""
    return line.lstrip("+~").partition("=")[0].partition("@")[0]


def quote(text: str) -> str:
    """Return a text quoted, so that Hydra's grammar does not change it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
