"""Values of axes: from the text of a command, and in the form that tables and pictures need."""

import json
import math
from contextlib import suppress
from typing import Any

import yaml


def parse_value(text: str) -> Any:
    """Return a value of the command line as a number, bool, None or text."""
    try:
        found = make_plain(yaml.safe_load(text))
    except yaml.YAMLError:
        return text
    # YAML reads 1e-05, which has no dot, as text.
    with suppress(ValueError):
        if isinstance(found, str) and math.isfinite(float(found)):
            return float(found)
    return found


def make_plain(value: Any) -> Any:
    """Return an axis value that can be written and drawn: None, a bool, a string or a finite number; else its JSON."""
    if value is None or isinstance(value, (bool, str)) or _is_finite(value):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _is_finite(value: Any) -> bool:
    # Not math.isfinite: an integer may be too large for a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
