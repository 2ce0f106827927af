"""Patterns on the path of a file inside its root folder: which files count, and which belong together."""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from compression.core.errors import InputError


@dataclass(frozen=True)
class PathPatterns:
    """Glob patterns on a path with forward slashes. ``*`` also matches a slash; upper and lower case are the same.

    A file counts if it matches a pattern of ``include``, or if that is empty, and no pattern of ``exclude``.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    _compiled: tuple[re.Pattern[str] | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", (_compile(self.include), _compile(self.exclude)))

    def keeps(self, path: str) -> bool:
        """Return whether the file at ``path`` counts."""
        included, excluded = self._compiled
        if included is not None and not included.match(path):
            return False
        return excluded is None or not excluded.match(path)


def _compile(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE) if patterns else None


def check_patterns(name: str, value: object) -> tuple[str, ...]:
    """Return glob patterns as a tuple, () for null; raise ``InputError`` for anything but a list of texts."""
    if value is None:
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not all(isinstance(one, str) and one for one in listed):
        raise InputError(f"data.{name}={value}: allowed is null or a list of patterns such as [*_mask.png]")
    return tuple(listed)


def check_group_pattern(value: object) -> re.Pattern[str] | None:
    r"""Return the compiled regular expression, None for null.

    Raises ``InputError`` for a text that is no regular expression, or that has no group in brackets.
    """
    if value is None:
        return None
    allowed = r"allowed is null or a regular expression with a group, such as '(part\d+)_'"
    if not isinstance(value, str):
        raise InputError(f"data.group_pattern={value}: {allowed}")
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise InputError(f"data.group_pattern={value}: {error}; {allowed}") from error
    if not pattern.groups:
        raise InputError(f"data.group_pattern={value}: has no group in brackets; {allowed}")
    return pattern


def find_groups(names: Sequence[str], pattern: re.Pattern[str]) -> list[str]:
    """Return the key of each path: what the first group of ``pattern`` matches.

    A path that does not match is a group alone. Raises ``InputError`` if no path matches.
    """
    found = [pattern.search(name) for name in names]
    keys = [match and match[1] for match in found]
    if not any(key is not None for key in keys):
        example = f", such as {names[0]}" if names else ""
        raise InputError(
            f"data.group_pattern={pattern.pattern}: matches none of {len(names):,} paths inside data.root{example}"
        )
    # A file name cannot hold a zero byte, so these keys meet no key of the pattern.
    return [f"\0{name}" if key is None else key for name, key in zip(names, keys, strict=True)]
