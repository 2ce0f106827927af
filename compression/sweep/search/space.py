"""The space of a search: a file of keys, each with a list of values or a range."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from compression.config.override_text import quote_if_needed
from compression.core.errors import InputError
from compression.core.json_record import Finite, convert_record

Value = bool | int | float | str | None
_RANGE = ("low", "high", "step", "log")
# Significant digits of a value from a range without steps.
_DIGITS = 4


@dataclass(frozen=True)
class Choices:
    """A choice among ``values``."""

    values: tuple[Value, ...]

    def ends(self) -> tuple[Value, ...]:
        """Return the values to check before anything is run."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A range of numbers, [low, high], with optional steps or on a logarithmic scale.

    Its values are integers if all given numbers are integers.
    """

    low: Finite
    high: Finite
    step: Finite | None = None
    log: bool = False

    def __post_init__(self) -> None:
        """Raise InputError if the limits, the step and the scale contradict each other."""
        if not self.low < self.high:
            raise InputError(f"low={self.low} must be below high={self.high}")
        if self.log and (self.step is not None or self.low <= 0):
            raise InputError("log=true must have low > 0 and no step")
        if self.step is None:
            return
        if self.step <= 0:
            raise InputError(f"step={self.step}: must be > 0")
        # Decimal, because binary fractions such as 0.1 are not exact.
        low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step))
        if (high - low) % step:
            raise InputError(f"must reach high={self.high} from low={self.low} in steps of {self.step}")

    @property
    def is_whole(self) -> bool:
        """Whether the range contains only integers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, (int, type(None)))

    def ends(self) -> tuple[Value, ...]:
        """Return the values to check before anything is run."""
        return (self.low, self.high)


Space = Mapping[str, Choices | Range]


def read_space(path: Path) -> Space:
    """Return the space that a YAML file describes; raises InputError.

    ``weight_bits: [4, 6, 8]`` chooses among values; ``sparsity: {low: 0.5, high: 0.95, step: 0.05}`` and
    ``strategy.recovery.lr_factor: {low: 0.05, high: 1, log: true}`` are ranges.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document:
        raise InputError(f"{path}: must be keys with lists or ranges, e.g. weight_bits: [4, 6, 8]")
    return {str(key): _read(f"{path}: {key}", value) for key, value in document.items()}


def _read(where: str, value: Any) -> Choices | Range:
    if isinstance(value, list):
        return _read_choices(where, value)
    if isinstance(value, dict):
        return _read_range(where, value)
    raise InputError(f"{where}={value!r}: must be a list of values, or a range with low and high")


def _read_choices(where: str, values: list[Any]) -> Choices:
    found = convert_record(values, list[Value], source=where)
    if not found or len({repr(value) for value in found}) < len(found):
        raise InputError(f"{where}={found}: must be different values, at least one")
    return Choices(tuple(found))


def _read_range(where: str, settings: Mapping[str, Any]) -> Range:
    if not {"low", "high"} <= set(settings) <= set(_RANGE):
        raise InputError(f"{where}: a range has low, high, and step or log; found {', '.join(map(str, settings))}")
    try:
        return convert_record(settings, Range, source=where)
    except InputError as error:
        # YAML reads 1e-4 as text, and 1.0e-4 as a number.
        is_power = any(isinstance(settings.get(key), str) and "e" in settings[key] for key in ("low", "high", "step"))
        raise InputError(f"{error}, with a point, as in 1.0e-4" if is_power else error) from error


def tidy(value: Value, wanted: Choices | Range) -> Value:
    """Return a drawn value for a command line: rounded to few digits, without the noise of binary fractions."""
    if not isinstance(value, float) or isinstance(wanted, Choices):
        return value
    rounded = round(value, 9) if wanted.step is not None else float(f"{value:.{_DIGITS}g}")
    # The ends may have more digits.
    return min(max(rounded, wanted.low), wanted.high)


def to_override(key: str, value: Value) -> str:
    """Return ``key`` with ``value`` as an override for Hydra, e.g. ``weight_bits=4``."""
    if value is None:
        return f"{key}=null"
    if isinstance(value, str):
        return f"{key}={quote_if_needed(value)}"
    return f"{key}={str(value).lower() if isinstance(value, bool) else value}"
