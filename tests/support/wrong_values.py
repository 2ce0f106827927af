"""Records that are valid JSON with wrong values, as a bad disk, another version or an editor leaves them."""

import copy
from collections.abc import Iterator
from typing import Any

# Each of these replaces every value. The last integer exceeds the range of a float.
WRONG = (None, 5, "x", [], {}, float("nan"), 10**400)


def with_wrong_values(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (description of the change, changed copy of ``document``) for every value and every wrong value."""
    for path in _paths(document):
        for wrong in WRONG:
            changed = copy.deepcopy(document)
            holder = _follow(changed, path[:-1])
            if type(holder[path[-1]]) is not type(wrong) or holder[path[-1]] != wrong:
                holder[path[-1]] = wrong
                yield f"{path} = {wrong!r:.20}", changed
        changed = copy.deepcopy(document)
        del _follow(changed, path[:-1])[path[-1]]
        yield f"{path} removed", changed


def _paths(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield (*above, key)
        yield from _paths(value, (*above, key))


def _follow(content: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        content = content[key]
    return content
