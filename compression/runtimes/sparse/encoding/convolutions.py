"""Convolutions as records and tables."""

import numpy as np

from compression.runtimes.sparse.encoding.builder import TILE_VECTORS, Builder, Record
from compression.runtimes.sparse.encoding.rows import Rows, count_tile_vectors, group_rows, join_rows
from compression.runtimes.sparse.encoding.structures import FLOAT
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
    rows = group_rows(block * len(weight) + outputs, values, offsets, count=blocks * len(weight))
    most, width = TILE_VECTORS, layout.width * build.lanes
    if build.dense_rows and operation.groups == 1 and width > 1:
        joined = join_rows(rows, per_block=len(weight), vectors=min(len(layout.targets), TILE_VECTORS))
        if joined is not None:
            rows, most = joined, count_tile_vectors(width, vector=build.vector)
    return {
        **build.tiles(layout, most=most),
        **packed,
        "other": -1 if operation.added is None else build.where(operation.added),
        "groups": operation.groups,
        "channels": weight.shape[1],
        "rows": len(weight) // operation.groups,
        "all_rows": len(weight) // operation.groups,
        "size": blocks,
        "bias": build.tables.add(operation.bias.astype(np.float32)),
        "units": add_units(build, operation),
        **_add_rows(build, rows),
    }


def _add_rows(build: Builder, rows: Rows) -> Record:
    tables = {name: build.tables.add(getattr(rows, name)) for name in ("weights", "offsets", "starts")}
    return {"together": rows.together, **tables}


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
