"""Depthwise convolutions as records and tables."""

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.arena import MARGIN
from compression.runtimes.sparse.encoding.builder import Builder, Record
from compression.runtimes.sparse.encoding.convolutions import add_units
from compression.runtimes.sparse.encoding.records import (
    DEPTHWISE,
    DEPTHWISE_LANES,
    DEPTHWISE_PLANES,
    DEPTHWISE_ROWS,
    DEPTHWISE_SMALL,
    FLOAT,
    PACK,
    TAP,
)
from compression.runtimes.sparse.layout import Ints, Packing, largest_power_of_two, reach_window, shift_taps
from compression.runtimes.sparse.program import Convolution, Window

# Rows of fewer pixels are not worth a vector of their own.
_NARROWEST = 4

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def encode_depthwise(build: Builder, operation: Convolution, time: int, common: Record) -> list[Record]:
    """Encode a depthwise convolution; with a stride, all columns are computed and some are then kept."""
    source, target = operation.source, operation.target
    strided = target.shape != source.shape
    whole = build.need(source.channels * build.plane(source), time, time) if strided else build.where(target)
    fields = {"target": whole, "target_plane": build.plane(source), "channels": source.channels}
    taps, shifts, masks = shift_taps(operation)
    build.margin = max(build.margin, int(np.abs(shifts).max(initial=0)) * FLOAT + MARGIN)
    weight = operation.weight.astype(np.float32).reshape(source.channels, -1)[:, taps]
    if build.vector % source.positions == 0:
        fields |= _small_planes(build, operation, weight, shifts=shifts, masks=masks)
    elif len(taps) == 9 and source.width >= _NARROWEST and _is_usual(operation.window):
        fields |= _rows(build, operation, weight)
    else:
        fields |= _planes(build, operation, weight, shifts=shifts, masks=masks)
    records = [build.record(DEPTHWISE, **common | fields)]
    if strided:
        y, x = (np.arange(size) * operation.window.stride[i] for i, size in enumerate(target.shape[1:]))
        kept = Packing((y[:, None] * source.width + x).reshape(-1))
        planes = {"source_plane": build.plane(source), "packed_plane": build.plane(target)}
        where = {"source": whole, "packed": build.where(target), "channels": source.channels}
        records.append(build.record(PACK, **where, **planes, **build.pieces(kept)))
    return records


def _is_usual(window: Window) -> bool:
    return window.kernel == (3, 3) and window.padding == window.dilation == (1, 1)


def _rows(build: Builder, operation: Convolution, weight: Floats) -> Record:
    """Return the fields of a 3x3 kernel that reads each row of the source once."""
    source = operation.source
    width = largest_power_of_two(min(build.vector, source.width))
    masks = -np.ones((3, width), dtype=np.int32)
    masks[0, 0] = masks[1, -1] = 0
    return {
        "function": DEPTHWISE_ROWS,
        "width": width,
        "rows": source.height,
        "columns": source.width,
        "stride": 2 if operation.window.stride[0] == 2 else 1,
        "weights": build.tables.add(weight),
        "piece_table": build.tables.add(masks),
        "bias": build.tables.add(operation.bias.astype(np.float32)),
        "units": add_units(build, operation),
        "offsets": -1,
        "starts": -1,
    }


def _planes(build: Builder, operation: Convolution, weight: Floats, *, shifts: Ints, masks: Bools) -> Record:
    """Return the fields of a kernel whose taps read the whole plane, shifted."""
    positions = operation.source.positions
    return {
        "function": DEPTHWISE_PLANES,
        "width": largest_power_of_two(min(build.vector, positions)),
        "rows": positions,
        "size": len(shifts),
        "weights": build.tables.add(weight),
        "starts": build.tables.add((shifts * FLOAT).astype(np.int32)),
        "piece_table": build.tables.add(-masks.astype(np.int32)),
        "bias": build.tables.add(operation.bias.astype(np.float32)),
        "units": add_units(build, operation),
        "offsets": -1,
    }


def _small_planes(build: Builder, operation: Convolution, weight: Floats, *, shifts: Ints, masks: Bools) -> Record:
    """Return the fields for planes that fit several times into a vector.

    The tables hold, as vectors, the weights of a tap for all pixels of as many channels as fit, and which pixel of the
    vector each lane reads. A number beyond the vector stands for a zero.
    """
    width, positions = build.vector, operation.source.positions
    spread = np.repeat(weight, positions, axis=0)
    spread = np.pad(spread, ((0, -len(spread) % width), (0, 0)))
    masks = np.tile(masks, width // positions)
    lanes = np.where(masks, np.arange(width) + shifts[:, None], width)
    bias = _repeat(operation.bias.astype(np.float32), positions, length=len(spread))
    units = -1
    if operation.units is not None:
        units = build.tables.add(_repeat(operation.units.astype(np.float32), positions, length=len(spread)))
    return {
        "function": DEPTHWISE_SMALL,
        "width": width,
        "rows": positions,
        "size": len(shifts),
        "weights": build.tables.add(spread.reshape(-1, width, len(shifts)).transpose(0, 2, 1)),
        "starts": build.tables.add((shifts * FLOAT).astype(np.int32)),
        "piece_table": build.tables.add(-masks.astype(np.int32)),
        "bias": build.tables.add(bias),
        "units": units,
        "offsets": build.tables.add(lanes.astype(np.int32)),
    }


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
        "units": add_units(build, operation),
        "offsets": -1,
    }


def _repeat(values: Floats, count: int, *, length: int) -> Floats:
    """Return each of ``values`` ``count`` times, then zeros up to ``length``."""
    return np.pad(np.repeat(values, count), (0, length - len(values) * count))
