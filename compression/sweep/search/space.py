"""What a search may choose from: a file of keys, each with a list of values or a range."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from compression.core.errors import InputError

Value = bool | int | float | str | None
_RANGE = ("low", "high", "step", "log")
# Of a value from a range without steps.
_DIGITS = 4


@dataclass(frozen=True)
class Choices:
    """One of ``values``."""

    values: tuple[Value, ...]

    def ends(self) -> tuple[Value, ...]:
        """Return the values to check before anything is run."""
        return self.values


@dataclass(frozen=True)
class Range:
    """A number in [low, high], in steps if given, or by its logarithm; whole if both ends are."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, (int, type(None)))

    def ends(self) -> tuple[Value, ...]:
        """Return the values to check before anything is run."""
        return (self.low, self.high)


Space = Mapping[str, Choices | Range]


def read_space(path: Path) -> Space:
    """Return the space in a YAML file; raises InputError.

    ``weight_bits: [4, 6, 8]`` chooses among values; ``sparsity: {low: 0.5, high: 0.95, step: 0.05}`` and
    ``strategy.recovery.lr_factor: {low: 0.05, high: 1, log: true}`` are ranges.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not document:
        raise InputError(f"{path}: must be keys with lists or ranges, e.g. weight_bits: [4, 6, 8]")
    return {str(key): _read(f"{path}: {key}", value) for key, value in document.items()}


def _read(where: str, value: Any) -> Choices | Range:
    if isinstance(value, list):
        return _read_choices(where, value)
    if isinstance(value, dict):
        return _read_range(where, value)
    raise InputError(f"{where}={value!r}: must be a list of values, or a range with low and high")


def _read_choices(where: str, values: Sequence[Any]) -> Choices:
    for value in values:
        if not isinstance(value, (bool, int, float, str, type(None))):
            raise InputError(f"{where}: {value!r} is no value: must be numbers, words, true, false or null")
    if not values or len({repr(value) for value in values}) < len(values):
        raise InputError(f"{where}={list(values)}: must be different values, one at least")
    return Choices(tuple(values))


def _read_range(where: str, settings: Mapping[str, Any]) -> Range:
    unknown = [key for key in settings if key not in _RANGE]
    if unknown or not {"low", "high"} <= set(settings):
        raise InputError(f"{where}: a range has low, high, and step or log; found {', '.join(map(str, settings))}")
    found = Range(**settings)
    for name in ("low", "high", "step"):
        number = settings.get(name)
        if (name != "step" or number is not None) and not _is_number(number):
            hint = ", with a point, as 1.0e-4" if isinstance(number, str) and "e" in number else ""
            raise InputError(f"{where}.{name}={number!r}: must be a number{hint}")
    if not isinstance(found.log, bool):
        raise InputError(f"{where}.log={found.log!r}: must be true or false")
    if not found.low < found.high:
        raise InputError(f"{where}: low={found.low} must be below high={found.high}")
    if found.log and (found.step is not None or found.low <= 0):
        raise InputError(f"{where}: log=true must have low > 0 and no step")
    if found.step is not None:
        _check_step(where, found)
    return found


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _check_step(where: str, found: Range) -> None:
    assert found.step is not None
    if found.step <= 0:
        raise InputError(f"{where}.step={found.step}: must be > 0")
    # As written, not as binary fractions have it.
    low, high, step = (Decimal(str(number)) for number in (found.low, found.high, found.step))
    if (high - low) % step:
        raise InputError(f"{where}: must reach high={found.high} from low={found.low} in steps of {found.step}")


def tidy(value: Value, wanted: Choices | Range) -> Value:
    """Return a drawn value as it stands in a command: no noise of binary fractions, few digits."""
    if not isinstance(value, float) or isinstance(wanted, Choices):
        return value
    return round(value, 9) if wanted.step is not None else float(f"{value:.{_DIGITS}g}")


def to_override(key: str, value: Value) -> str:
    """Return a value as Hydra reads it, e.g. ``weight_bits=4``."""
    if value is None:
        return f"{key}=null"
    return f"{key}={str(value).lower() if isinstance(value, bool) else value}"
