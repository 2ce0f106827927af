"""The bits of each layer: a default for all, with overrides by name, pattern or group."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple

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

    ``overrides`` are (pattern, weight bits, activation bits); None stands for the default activation bits. A pattern is
    ``first``, ``last``, a key of ``groups`` (each a list of shell patterns) or a shell pattern of layer names. Of two
    overrides that match a layer, the most specific wins: the one whose layers are some of the other's. Raises
    ``InputError`` for a pattern that matches no layer, and for two overrides with different bits where neither is more
    specific.
    """
    found: list[_Override] = []
    for pattern, weight, activation in overrides:
        fitting = frozenset(_fitting(layers, pattern, groups))
        if not fitting:
            names = [FIRST, LAST, *groups]
            close = get_close_matches(pattern, [*names, *layers], n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(
                f"quantization.layer_bits={pattern}: fits no layer{hint}; must be {', '.join(names)}, or a pattern of "
                f"names such as {layers[0]}"
            )
        found.append(
            _Override(pattern, fitting, Bits(weight, default.activation if activation is None else activation))
        )
    return {layer: _choose(layer, [one for one in found if layer in one.layers], default) for layer in layers}


class _Override(NamedTuple):
    pattern: str
    layers: frozenset[str]
    bits: Bits


def _choose(layer: str, matching: Sequence[_Override], default: Bits) -> Bits:
    """Return the bits of the override that no other matching one is more specific than."""
    narrowest = [one for one in matching if not any(other.layers < one.layers for other in matching)]
    first = next(iter(narrowest), None)
    other = next((one for one in narrowest if first is not None and one.bits != first.bits), None)
    if first is not None and other is not None:
        raise InputError(
            f"quantization.layer_bits: {first.pattern} and {other.pattern} both fit layer {layer} with different bits, "
            f"and neither is more specific: give the bits of {layer} by its name"
        )
    return default if first is None else first.bits


def _fitting(layers: Sequence[str], pattern: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    if pattern in (FIRST, LAST):
        return [layers[0 if pattern == FIRST else -1]]
    patterns = groups.get(pattern, [pattern])
    return [name for name in layers if any(fnmatchcase(name, one) for one in patterns)]
