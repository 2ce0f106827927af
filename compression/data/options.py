"""Checks of plain yaml values. Each returns the value as the code uses it, or raises ``InputError`` in one line."""

import math
from collections.abc import Mapping, Sequence

from compression.core.errors import InputError
from compression.core.preparation import COLOURS, FITS, Colour, Fit
from compression.core.text import shorten

# One number per channel of an image: three, or one for grey.
PerChannel = tuple[float, ...]
AUTO = "auto"
# Keys of the group ``data`` that only give other groups their defaults: the stem of models, the length of trainings.
DEFAULTS_OF_OTHERS = ("stem", "schedule")


def _refuse(name: str, value: object, allowed: str) -> InputError:
    return InputError(f"data.{name}={value}: allowed is {allowed}")


def check_int(name: str, value: object, *, minimum: int, maximum: int | None = None) -> int:
    """Return ``value`` if it is an integer in [minimum, maximum]; raise ``InputError`` otherwise."""
    span = f"an integer from {minimum}" + ("" if maximum is None else f" to {maximum}")
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(name, value, span)
    if value < minimum or (maximum is not None and value > maximum):
        raise _refuse(name, value, span)
    return value


def check_int_or_auto(name: str, value: object, *, minimum: int) -> int | str:
    """Return ``value`` if it is "auto" or an integer of at least ``minimum``; raise ``InputError`` otherwise."""
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise _refuse(name, value, f"auto or an integer from {minimum}")
    return value


def check_number(name: str, value: object, *, minimum: float) -> float:
    """Return ``value`` as a float if it is finite and at least ``minimum``; raise ``InputError`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refuse(name, value, f"a number from {minimum}")
    if not math.isfinite(value) or value < minimum:
        raise _refuse(name, value, f"a number from {minimum}")
    return float(value)


def check_fraction(name: str, value: object) -> float:
    """Return ``value`` as a float if it is strictly between 0 and 1; raise ``InputError`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise _refuse(name, value, "a number above 0 and below 1")
    return float(value)


def check_bool(name: str, value: object) -> bool:
    """Return ``value`` if it is true or false; raise ``InputError`` otherwise."""
    if not isinstance(value, bool):
        raise _refuse(name, value, "true or false")
    return value


def check_channels(value: object) -> int:
    """Return ``channels`` if it is 3 (RGB) or 1 (grey); raise ``InputError`` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value not in (1, 3):
        raise _refuse("channels", value, "3 (RGB) or 1 (grey)")
    return value


def check_choice(name: str, value: object, *choices: str) -> str:
    """Return ``value`` if it is one of ``choices``; raise ``InputError`` otherwise."""
    if value not in choices:
        raise _refuse(name, value, f"one of {', '.join(choices)}")
    return str(value)


def check_folds(folds: object, fold: object) -> tuple[int, int] | None:
    """Return the number of folds and the test fold, counted from 1; None for null and null."""
    if folds is None:
        if fold is not None:
            raise _refuse("fold", fold, "null without data.folds")
        return None
    num = check_int("folds", folds, minimum=2, maximum=100)
    if fold is None:
        raise InputError(
            f"data.folds={num}: data.fold is missing; `python train.py data.folds={num}` runs all folds as a sweep, "
            f"data.fold=1 runs one of them"
        )
    return num, check_int("fold", fold, minimum=1, maximum=num)


def check_per_channel(name: str, value: object, *, channels: int, positive: bool = False) -> PerChannel | None:
    """Return one float for each of ``channels``, or None for null; raise ``InputError`` for anything else.

    With ``positive`` every number must be above 0.
    """
    if value is None:
        return None
    count = {1: "a list of one number", 3: "three numbers"}[channels]
    allowed = f"null or {count}{' above 0' if positive else ''}"
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != channels:
        raise _refuse(name, value, allowed)
    numbers = []
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item):
            raise _refuse(name, value, allowed)
        if positive and item <= 0:
            raise _refuse(name, value, allowed)
        numbers.append(float(item))
    return tuple(numbers)


def check_fit(value: object) -> Fit | None:
    """Return ``fit`` if it is crop, pad or stretch, or None for auto; raise ``InputError`` otherwise."""
    if value == AUTO:
        return None
    for fit in FITS:
        if value == fit:
            return fit
    raise _refuse("fit", value, f"one of {AUTO}, {', '.join(FITS)}")


def check_background(value: object) -> Colour | None:
    """Return ``background`` as levels (0 to 255) of red, green and blue, or None for null.

    Allowed are null, a name in ``COLOURS`` and three integers; raises ``InputError`` for anything else.
    """
    if value is None:
        return None
    if isinstance(value, str) and value in COLOURS:
        return COLOURS[value]
    if not isinstance(value, str) and isinstance(value, Sequence) and len(value) == 3:
        red, green, blue = value
        if all(isinstance(level, int) and not isinstance(level, bool) and 0 <= level <= 255 for level in value):
            return red, green, blue
    raise _refuse("background", value, f"null, {', '.join(COLOURS)} or [red, green, blue], each from 0 to 255")


def check_value_range(value: object) -> tuple[float, float] | None:
    """Return ``value_range`` as (low, high), or None for null; raise ``InputError`` unless low is below high."""
    if value is None:
        return None
    if not isinstance(value, str) and isinstance(value, Sequence) and len(value) == 2:
        low, high = value
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        if numbers and math.isfinite(low) and math.isfinite(high) and low < high:
            return float(low), float(high)
    raise _refuse("value_range", value, "null or [low, high], two numbers that rise")


def check_groups(value: object) -> dict[str, tuple[str, ...]]:
    """Return ``class_groups`` as class names by group name; raise ``InputError`` for any other structure."""
    allowed = "a mapping of group names to lists of class names"
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refuse("class_groups", value, allowed)
    groups = {}
    for group, members in value.items():
        if isinstance(members, str) or not isinstance(members, Sequence) or not members:
            raise _refuse(f"class_groups.{group}", members, "a list of class names")
        groups[str(group)] = tuple(str(member) for member in members)
    return groups


def check_group_members(groups: Mapping[str, tuple[str, ...]], class_names: Sequence[str]) -> None:
    """Raise ``InputError`` if a group names an unknown class, or if a class is named more than once."""
    seen: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            if member not in class_names:
                raise _refuse(f"class_groups.{group}", member, "one of the classes " + shorten(class_names))
            if member in seen:
                raise InputError(
                    f"data.class_groups: class {member} is in {seen[member]} and in {group}; "
                    "allowed is one group per class"
                )
            seen[member] = group
