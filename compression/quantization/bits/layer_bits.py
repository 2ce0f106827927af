"""The bits of each layer: a default for all, with overrides by name, pattern or group."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from compression.core.errors import InputError
from compression.quantization.plan import Bits

FIRST, LAST = "first", "last"


def assign_bits(
    layers: Sequence[str],
    default: Bits,
    overrides: Iterable[tuple[str, int, int | None]],
    *,
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Bits]:
    """Return the bits of each of ``layers``: ``default``, unless an override matches.

    ``overrides`` are (pattern, weight bits, activation bits); the last match wins, and None stands for the default
    activation bits. A pattern is ``first``, ``last``, a key of ``groups`` (each a list of shell patterns) or a shell
    pattern of layer names. Raises ``InputError`` for a pattern that matches no layer.
    """
    bits = dict.fromkeys(layers, default)
    for pattern, weight, activation in overrides:
        fitting = _fitting(layers, pattern, groups)
        if not fitting:
            names = ", ".join([FIRST, LAST, *groups])
            raise InputError(
                f"quantization.layer_bits={pattern}: fits no layer; must be {names}, or a pattern of names such as "
                f"{layers[0]}"
            )
        for name in fitting:
            bits[name] = Bits(weight, default.activation if activation is None else activation)
    return bits


def _fitting(layers: Sequence[str], pattern: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    if pattern in (FIRST, LAST):
        return [layers[0 if pattern == FIRST else -1]]
    patterns = groups.get(pattern, [pattern])
    return [name for name in layers if any(fnmatchcase(name, one) for one in patterns)]
