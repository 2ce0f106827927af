"""What bytes ought to be: the order-0 bound, and the formula that reports of compression use."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bits of a gap in the formula, and bytes of a scale for each output channel.
FORMULA_GAP_BITS, FORMULA_SCALE_BYTES = 3, 4


def order0_bits(values: NDArray[np.integer[Any]]) -> float:
    """Return ``N * H``, ``H = -sum p log2 p`` over the values of an array of ``N``: what no code without context beats.

    Shannon 1948; the probabilities are the array's own, and telling a decoder of them is not counted.
    """
    _, counts = np.unique(values, return_counts=True)
    if counts.size <= 1:
        return 0.0
    return float((counts * np.log2(counts.sum() / counts)).sum())


@dataclass(frozen=True)
class LayerCount:
    """What the formula asks of a layer: non-zero weights, bits of each, output channels."""

    nonzero: int
    bits: int
    channels: int


def formula_bytes(layers: Mapping[str, LayerCount]) -> int:
    """Return ``sum nonzero * bits / 8 + 4 * channels + 3 * nonzero / 8`` over layers, the bytes most reports count.

    It leaves out the filler entries that gaps of 3 bits need where more than 8 zeros follow each other, biases, what
    remains of normalization, and the header; and no entropy coder enters it, so it can also be too high.
    """
    bits = sum(layer.nonzero * (layer.bits + FORMULA_GAP_BITS) for layer in layers.values())
    return math.ceil(bits / 8) + FORMULA_SCALE_BYTES * sum(layer.channels for layer in layers.values())
