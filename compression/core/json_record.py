"""Validation of JSON records: typed objects, and errors of one line."""

import re
import reprlib
import sys
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from compression.core.errors import InputError

_T = TypeVar("_T")

_LARGEST = sys.float_info.max
# JSON has integers of any size. These types have 64 bits, which is enough for every count of this package.
Whole = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Count = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
# An integer stays an integer, so that it is written again unchanged. The ranges exclude NaN and infinity.
Finite = Whole | Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
NonNegative = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | Annotated[float, Meta(ge=0, le=_LARGEST)]
Fraction = Annotated[int, Meta(ge=0, le=1)] | Annotated[float, Meta(ge=0, le=1)]

# "Expected `int` >= 1 - at `$.a[0]`", and "... - at `key` in `$.a`" for a key of a mapping.
_MESSAGE = re.compile(r"(?P<reason>.*?)(?: - at (?P<of_key>`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\w+|\.\.\.")
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "none",
}
_SHORT = reprlib.Repr()
_SHORT.maxstring = 60


class _Versioned(msgspec.Struct):
    schema_version: Count


def convert_record(value: Any, kind: type[_T], *, source: str = "") -> _T:
    """Return ``value``, the result of ``json.loads``, as a ``kind``: a Struct, a dataclass or a typed container.

    Raises InputError in one line that starts with ``source`` and names the path, its value and what is allowed. A
    ValueError in a ``__post_init__`` becomes such an error too. Text becomes a number only as a key of a mapping.
    """
    try:
        return msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        reason = _explain(error, value)
    except UnicodeError:
        # A Struct compares keys as UTF-8, which cannot encode every string.
        reason = "a key is not Unicode text"
    raise InputError(f"{source}: {reason}" if source else reason)


def check_version(record: Any, *, newest: int) -> None:
    """Raise InputError if ``record`` has no ``schema_version``, or one above ``newest``."""
    version = convert_record(record, _Versioned).schema_version
    if version > newest:
        raise InputError(f"schema_version={version}: is newer than {newest}, the newest this version reads")


def _explain(error: msgspec.ValidationError, value: Any) -> str:
    match = _MESSAGE.fullmatch(str(error))
    assert match is not None, error
    path, reason = (match["path"] or "").removeprefix("."), match["reason"]
    if error.__cause__ is not None:
        return f"{path}: {reason}" if path else reason
    if field := _FIELD.fullmatch(reason):
        name = f"{path}.{field['name']}" if path else field["name"]
        return f"{name} is missing" if field["what"].startswith("missing") else f"{name} is not a known key"
    reason = re.sub(r"`([\w |]+)`", _to_words, reason).replace("Expected", "must be", 1).replace(", got", ", not", 1)
    reason = reason.replace("Number out of range", "must be a number that a float can hold")
    if match["of_key"]:
        return f"a key of {path or 'the mapping'} {reason}"
    try:
        for step in _STEP.findall(path):
            # msgspec writes "..." for a key of a mapping. Such a key cannot be looked up.
            value = value[int(step) if isinstance(value, list) else step]
    except (LookupError, TypeError, ValueError):
        return f"{path}: {reason}"
    return f"{path}={_SHORT.repr(value):.80}: {reason.partition(', not')[0]}" if path else reason


def _to_words(match: re.Match[str]) -> str:
    kinds = match[1].replace("int | float", "float").split(" | ")
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds)
