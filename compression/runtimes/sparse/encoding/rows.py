"""Weights of a convolution row after row: one by one, or four rows with one list of offsets where few are zero."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.layout import Ints

# Rows that share a list, as kernels/program.h has it.
ROWS_TOGETHER = 4
# So many times as fast is a weight in a shared list as in the list of one row, because a vector of the source is read
# once for four rows: more with few vectors in a tile. Measured by experiments/sparse_engine/kernels.py.
GAIN, GAIN_OF_FEW_VECTORS, FEW_VECTORS = 1.15, 1.4, 2
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Rows:
    """Weights and the offset of the input of each.

    ``together`` rows share a list: ``weights: [N, together]``, ``offsets: [N]``, and ``starts: [lists + 1]`` says where
    in ``offsets`` each list begins.
    """

    weights: NDArray[np.float32]
    offsets: NDArray[np.int32]
    starts: NDArray[np.int32]
    together: int = 1


def group_rows(rows: Ints, weights: NDArray[np.float32], offsets: NDArray[np.int32], *, count: int) -> Rows:
    """Return weights and offsets in order of their ``rows``, of which there are ``count``."""
    order = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[order], np.arange(count + 1)).astype(np.int32)
    return Rows(weights[order], offsets[order], starts)


def count_tile_vectors(width: int, *, vector: int) -> int:
    """Return the most vectors of ``width`` floats in a tile of joined rows, as kernels/dense_rows.inc has it.

    The sums of a tile stay in registers until all blocks of input channels are added, because the last vector of a
    plane may overlap the one before it.
    """
    return 4 if width == vector >= 16 else 2


def join_rows(rows: Rows, *, per_block: int, vectors: int) -> Rows | None:
    """Return lists of four rows each, or None if one list per row is faster: a rule, so that results do not vary.

    ``per_block`` is the number of rows of the layer, ``vectors`` those of a tile.
    """
    gain = GAIN_OF_FEW_VECTORS if vectors <= FEW_VECTORS else GAIN
    count = len(rows.starts) - 1
    # Below this density, shared lists would be too long.
    if per_block % ROWS_TOGETHER or len(rows.offsets) <= LEAST_SHARE * len(np.unique(rows.offsets)) * per_block:
        return None
    of_weight = np.repeat(np.arange(count), np.diff(rows.starts))
    # Offsets are below 2^31.
    keys = (of_weight // ROWS_TOGETHER << 31) + rows.offsets
    entries, place = np.unique(keys, return_inverse=True)
    if ROWS_TOGETHER * len(entries) > gain * len(rows.offsets):
        return None
    weights = np.zeros((len(entries), ROWS_TOGETHER), dtype=np.float32)
    weights[place, of_weight % ROWS_TOGETHER] = rows.weights
    starts = np.searchsorted(entries >> 31, np.arange(count // ROWS_TOGETHER + 1)).astype(np.int32)
    return Rows(weights, (entries & (1 << 31) - 1).astype(np.int32), starts, ROWS_TOGETHER)
