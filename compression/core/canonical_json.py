"""JSON text with sorted keys, of which hashes are made."""

import json
from collections.abc import Mapping
from typing import Any


def dump_sorted(value: Any, **settings: Any) -> str:
    """Return ``value`` as JSON with sorted keys; ``settings`` are those of ``json.dumps``.

    If the keys of a mapping have no order, such as 7 and ``cat``, all keys are sorted as text.
    """
    try:
        return json.dumps(value, sort_keys=True, **settings)
    except TypeError:
        # Only then, because 9 and 10 have another order as text, and earlier hashes must stay.
        return json.dumps(_with_text_keys(value), sort_keys=True, **settings)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(one) for key, one in value.items()}
    return [_with_text_keys(one) for one in value] if isinstance(value, list | tuple) else value
