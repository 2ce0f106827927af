"""Convolutions as records and tables."""

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.arena import MARGIN
from compression.runtimes.sparse.encoding.builder import TILE_VECTORS, Builder, Record
from compression.runtimes.sparse.encoding.records import (
    DEPTHWISE,
    DEPTHWISE_LANES,
    DEPTHWISE_PLANES,
    DEPTHWISE_SMALL,
    FLOAT,
    PACK,
    TAP,
)
from compression.runtimes.sparse.layout import (
    OUTSIDE,
    Layout,
    Packing,
    largest_power_of_two,
    lay_out,
    reach_window,
    shift_taps,
)
from compression.runtimes.sparse.program import Convolution

# What a tile reads of a block of input channels, so that it stays in a first-level cache of 32 KiB.
BLOCK_BYTES = 24 << 10

Floats = NDArray[np.float32]


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
        "units": _units(build, operation),
    }


def encode_depthwise(build: Builder, operation: Convolution, time: int, common: Record) -> list[Record]:
    """Encode a depthwise convolution; with a stride, all pixels are computed and some are then kept."""
    source, target, weight = operation.source, operation.target, operation.weight.astype(np.float32)
    taps, shifts, masks = shift_taps(operation)
    bias, units = operation.bias.astype(np.float32), operation.units
    weight = np.ascontiguousarray(weight.reshape(len(weight), -1)[:, taps])
    small = build.vector % source.positions == 0
    width = build.vector if small else largest_power_of_two(min(build.vector, source.positions))
    if small:
        # As vectors: the weights of a tap for all pixels of as many channels as fit.
        masks = np.tile(masks, build.vector // source.positions)
        spread = np.repeat(weight, source.positions, axis=0)
        spread = np.pad(spread, ((0, -len(spread) % width), (0, 0)))
        weight = spread.reshape(-1, width, len(taps)).transpose(0, 2, 1)
        bias = _repeat(bias, source.positions, length=len(spread))
        units = None if units is None else _repeat(units, source.positions, length=len(spread))
    build.margin = max(build.margin, int(np.abs(shifts).max(initial=0)) * FLOAT + MARGIN)
    strided = target.shape != source.shape
    whole = build.need(source.channels * build.plane(source), time, time) if strided else build.where(target)
    fields = {
        "width": width,
        "target": whole,
        "target_plane": build.plane(source),
        "channels": source.channels,
        "rows": source.positions,
        "size": len(taps),
        "function": DEPTHWISE_SMALL if small else DEPTHWISE_PLANES,
        "weights": build.tables.add(weight),
        "starts": build.tables.add((shifts * FLOAT).astype(np.int32)),
        "bias": build.tables.add(bias),
        "units": -1 if units is None else build.tables.add(units.astype(np.float32)),
        "piece_table": build.tables.add(-masks.astype(np.int32)),
    }
    records = [build.record(DEPTHWISE, **common | fields)]
    if strided:
        y, x = (np.arange(size) * operation.window.stride[i] for i, size in enumerate(target.shape[1:]))
        kept = Packing((y[:, None] * source.width + x).reshape(-1))
        pieces = build.pieces(kept)
        planes = {"source_plane": build.plane(source), "packed_plane": build.plane(target)}
        records.append(
            build.record(PACK, source=whole, packed=build.where(target), channels=source.channels, **planes, **pieces)
        )
    return records


def encode_depthwise_of_lanes(build: Builder, operation: Convolution) -> Record:
    """Encode, for each pixel of the target, the taps that meet a pixel of the source, and where."""
    window, source = operation.window, operation.source
    rows, columns = reach_window(source, operation.target, window)
    places = rows[:, None, :, None] * source.width + columns[None, :, None, :]
    inside = (rows >= 0)[:, None, :, None] & (columns >= 0)[None, :, None, :]
    places = places.reshape(-1, operation.target.positions).T
    inside = inside.reshape(-1, operation.target.positions).T
    pixels, taps = np.nonzero(inside)
    entries = np.zeros(len(taps), dtype=TAP)
    entries["tap"], entries["offset"] = taps, places[inside] * build.lanes * FLOAT
    starts = np.searchsorted(pixels, np.arange(operation.target.positions + 1)).astype(np.int32)
    return {
        "function": DEPTHWISE_LANES,
        "channels": source.channels,
        "rows": operation.target.positions,
        "size": places.shape[1],
        "weights": build.tables.add(operation.weight.astype(np.float32)),
        "tile_table": build.tables.add(entries),
        "starts": build.tables.add(starts),
        "bias": build.tables.add(operation.bias.astype(np.float32)),
        "units": _units(build, operation),
    }


def _count_blocks(build: Builder, layout: Layout, *, channels: int) -> int:
    """Return the number of blocks of input channels, so that what a tile reads of a block fits the cache."""
    taps = layout.taps[layout.taps != OUTSIDE]
    first = layout.sources[: -(-len(layout.sources) // -(-len(layout.sources) // TILE_VECTORS))]
    pixels = np.unique(np.add.outer(np.add.outer(first, taps), np.arange(layout.width)))
    in_block = max(BLOCK_BYTES // (len(pixels) * build.lanes * FLOAT), 8)
    return max(-(-channels // in_block), 1)


def _units(build: Builder, operation: Convolution) -> int:
    return -1 if operation.units is None else build.tables.add(operation.units.astype(np.float32))


def _repeat(values: Floats, count: int, *, length: int) -> Floats:
    """Return each of ``values`` ``count`` times, then zeros up to ``length``."""
    return np.pad(np.repeat(values, count), (0, length - len(values) * count))
