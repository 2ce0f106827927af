"""Reference sizes to compare files with: the order-0 entropy bound, and the formula that most papers report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The formula counts 3 bits for the gap before each non-zero weight, and a 4-byte scale for each output channel.
FORMULA_GAP_BITS, FORMULA_SCALE_BYTES = 3, 4
# In words, for reports.
FORMULA = f"nonzero x (bits + {FORMULA_GAP_BITS}) / 8 + {FORMULA_SCALE_BYTES} x channels"


def order0_bits(values: NDArray[np.integer[Any]]) -> float:
    """Return the order-0 entropy of an array in bits: ``N * H`` with ``H = -sum p log2 p`` over its ``N`` values.

    No code without context needs fewer bits (Shannon 1948). The probabilities are the frequencies in the array itself;
    the bytes that send them to a decoder are not counted.
    """
    _, counts = np.unique(values, return_counts=True)
    if counts.size <= 1:
        return 0.0
    return float((counts * np.log2(counts.sum() / counts)).sum())


@dataclass(frozen=True)
class LayerCount:
    """A layer as the formula sees it: its number of non-zero weights, the bits of each, and its output channels."""

    nonzero: int
    bits: int
    channels: int


def formula_bytes(layers: Mapping[str, LayerCount]) -> int:
    """Return the bytes that most papers report, ``sum nonzero * (bits + 3) / 8 + 4 * channels`` over layers.

    The formula can be too low. It leaves out biases, the remaining parameters of normalization layers, the header, and
    the filler entries that gaps of 3 bits need in runs of 8 zeros and more. It can also be too high, because it assumes
    no entropy coder.
    """
    bits = sum(layer.nonzero * (layer.bits + FORMULA_GAP_BITS) for layer in layers.values())
    return math.ceil(bits / 8) + FORMULA_SCALE_BYTES * sum(layer.channels for layer in layers.values())
