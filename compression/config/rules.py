"""Rules that values of the configuration must follow, and the walk that checks them.

A field of a schema states its rules next to its default: ``epochs: int = checked(10, at_least(1))``. ``check_section``
walks from a section to the sections inside it, and so knows the dotted key of every field. Rules that involve several
fields are in the method ``check`` of their section, which receives the key of the section.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Protocol

from compression.core.errors import InputError

_RULES, _ADDED = "rules", "added"


class Rule(Protocol):
    """A test of one value. ``None`` is never tested: the type of a field says whether it may be null."""

    def __call__(self, value: Any, /, *, key: str) -> object:
        """Raise ``InputError`` with the name ``key`` unless ``value`` is allowed."""


@dataclass
class Section:
    """A part of the configuration: a dataclass whose fields may have rules."""

    def check(self, at: str) -> None:
        """Raise ``InputError`` if fields contradict each other. ``at`` is the dotted key of this section."""


def checked(default: Any, *rules: Rule, added: bool = False) -> Any:
    """Return a dataclass field with this default, and with rules for its values.

    Give ``added=True`` to a field that joins a section whose stages people already keep: see ``result_settings``.
    """
    metadata = {_RULES: rules, _ADDED: added}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: copy.copy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def result_settings(section: Section) -> dict[str, Any]:
    """Return the settings of a section and of the sections inside it, as they stand in the key of a stage.

    An added field at its default is left out. Keys without it are the keys of earlier versions, so their stages, which
    may be long trainings, are still found.
    """
    settings: dict[str, Any] = {}
    for one in fields(section):
        value = getattr(section, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if not (one.metadata.get(_ADDED) and value == default):
            settings[one.name] = result_settings(value) if isinstance(value, Section) else copy.deepcopy(value)
    return settings


def check_section(section: Section, at: str = "") -> None:
    """Raise ``InputError`` for the first wrong value in a section or in the sections inside it.

    ``at`` is the dotted key of the section. The complete configuration has an empty one.
    """
    known = [one.name for one in fields(section)]
    prefix = f"{at}." if at else ""
    # A key that was added with + becomes an attribute of its section, and would have no effect.
    for name in vars(section).keys() - {*known}:
        raise InputError(
            f"unknown key {prefix + name!r}{hint_at(name, known, prefix=prefix)}; keys of {at} are {', '.join(known)}"
        )
    for one in fields(section):
        key = prefix + one.name
        value = getattr(section, one.name)
        if isinstance(value, Section):
            check_section(value, key)
        elif value is not None:
            for rule in one.metadata.get(_RULES, ()):
                rule(value, key=key)
    section.check(at)


def hint_at(word: str, known: Sequence[str], *, prefix: str = "") -> str:
    """Return e.g. ``" (did you mean training.epochs?)"``: the known word nearest to ``word``, or to its first part.

    Return an empty text if no word is near. ``prefix`` stands before the word, e.g. ``training.``.
    """
    first = re.split(r"[./]", word, maxsplit=1)[0]
    close = get_close_matches(first, known, n=1)
    return f" (did you mean {prefix}{close[0]}{word.removeprefix(first)}?)" if close else ""


def require(ok: object, key: str, value: object, allowed: str) -> None:
    """Raise ``InputError`` with the key, its value and what is allowed, unless ``ok``."""
    if not ok:
        raise InputError(f"{key}={value}: must be {allowed}")


def allow(test: Callable[[Any], object], allowed: str) -> Rule:
    """Return the rule that ``test`` holds, and that a number is finite. Errors say what is ``allowed``."""

    def rule(value: Any, /, *, key: str) -> None:
        finite = not isinstance(value, float) or math.isfinite(value)
        require(finite and test(value), key, value, allowed)

    return rule


def at_least(low: int, unit: str = "an integer", note: str = "") -> Rule:
    """Return the rule for numbers from ``low`` upwards."""
    return allow(lambda value: value >= low, f"{unit} >= {low}{note}")


def within(interval: str, lead: str = "in", note: str = "") -> Rule:
    """Return the rule for numbers in an interval such as ``[0, 1)``. A square bracket includes the end."""
    low, high = (float(end) for end in interval[1:-1].split(","))

    def holds(value: float) -> bool:
        above = value >= low if interval[0] == "[" else value > low
        return above and (value <= high if interval[-1] == "]" else value < high)

    return allow(holds, f"{lead} {interval}{note}")


def one_of(*choices: str) -> Rule:
    """Return the rule for one of several words."""
    return allow(lambda value: value in choices, f"one of {', '.join(choices)}")


def component(value: Any, /, *, key: str) -> None:
    """Check that a value names the class or function that makes an object. An empty mapping stands for no object."""
    named = isinstance(value, Mapping) and isinstance(value.get("_target_", ""), str) and "_target_" in value
    require(named or value == {}, key, value, "a mapping with _target_, the dotted name of a class or function")


def each(rule: Rule) -> Rule:
    """Return the rule that every element of a list follows ``rule``."""

    def rule_of_all(values: Any, /, *, key: str) -> None:
        for value in values:
            rule(value, key=key)

    return rule_of_all


def each_part(rule: Rule) -> Rule:
    """Return the rule that the value is a mapping, and that all values in it follow ``rule``."""

    def rule_of_all(values: Any, /, *, key: str) -> None:
        require(isinstance(values, Mapping), key, values, "a mapping")
        for name, value in values.items():
            rule(value, key=f"{key}.{name}")

    return rule_of_all
