"""Convolutions as records and tables."""

import numpy as np

from compression.runtimes.sparse.encoding.builder import TILE_VECTORS, Builder, Record
from compression.runtimes.sparse.encoding.records import FLOAT
from compression.runtimes.sparse.layout import OUTSIDE, Layout, lay_out
from compression.runtimes.sparse.program import Convolution

# What a tile reads of a block of input channels, so that it stays in a first-level cache of 32 KiB.
BLOCK_BYTES = 24 << 10


def encode_convolution(build: Builder, operation: Convolution, time: int) -> Record:
    """Return the fields of a sparse convolution: its non-zero weights, and where the input of each is."""
    source, target, weight = operation.source, operation.target, operation.weight.astype(np.float32)
    layout = lay_out(source, target, operation.window, vector=build.vector, lanes=build.lanes)
    packed = build.pack(layout, time, channels=weight.shape[1], fill=0.0)
    plane = packed["packed_plane"] if layout.packing else build.plane(source)
    outputs, inputs, y, x = np.nonzero(weight)
    taps = layout.taps[y, x]
    kept = taps != OUTSIDE
    outputs, inputs, taps, values = outputs[kept], inputs[kept], taps[kept], weight[weight != 0][kept]
    offsets = (inputs * plane + taps * build.lanes * FLOAT).astype(np.int32)
    # Blocks of input channels, one after the other; within a block, rows in order.
    blocks = _count_blocks(build, layout, channels=weight.shape[1]) if operation.groups == 1 else 1
    block = inputs * blocks // weight.shape[1]
    order = np.argsort(block * len(weight) + outputs, kind="stable")
    bounds = np.arange(blocks * len(weight) + 1)
    starts = np.searchsorted((block * len(weight) + outputs)[order], bounds).astype(np.int32)
    return {
        **build.tiles(layout),
        **packed,
        "other": -1 if operation.added is None else build.where(operation.added),
        "groups": operation.groups,
        "channels": weight.shape[1],
        "rows": len(weight) // operation.groups,
        "size": blocks,
        "weights": build.tables.add(values[order]),
        "offsets": build.tables.add(offsets[order]),
        "starts": build.tables.add(starts),
        "bias": build.tables.add(operation.bias.astype(np.float32)),
        "units": add_units(build, operation),
    }


def _count_blocks(build: Builder, layout: Layout, *, channels: int) -> int:
    """Return the number of blocks of input channels, so that what a tile reads of a block fits the cache."""
    taps = layout.taps[layout.taps != OUTSIDE]
    first = layout.sources[: -(-len(layout.sources) // -(-len(layout.sources) // TILE_VECTORS))]
    pixels = np.unique(np.add.outer(np.add.outer(first, taps), np.arange(layout.width)))
    in_block = max(BLOCK_BYTES // (len(pixels) * build.lanes * FLOAT), 8)
    return max(-(-channels // in_block), 1)


def add_units(build: Builder, operation: Convolution) -> int:
    """Return the place of what sums of integers are multiplied with, or -1."""
    return -1 if operation.units is None else build.tables.add(operation.units.astype(np.float32))
