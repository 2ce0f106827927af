"""Pooling, sums, rescaling and copies as records and tables."""

import numpy as np

from compression.runtimes.sparse.encoding.builder import Builder, Record
from compression.runtimes.sparse.encoding.records import FLOAT, MERGES
from compression.runtimes.sparse.layout import OUTSIDE, lay_out
from compression.runtimes.sparse.program import Binary, Copy, MaxPool, MeanPool, Rescale


def encode_max_pool(build: Builder, operation: MaxPool, time: int) -> Record:
    """Return the fields of the maximum over a window."""
    source = operation.source
    layout = lay_out(source, operation.target, operation.window, vector=build.vector, lanes=build.lanes)
    packed = build.pack(layout, time, channels=1, fill=-np.inf)
    taps = layout.taps[layout.taps != OUTSIDE]
    table = build.tables.add((taps * build.lanes * FLOAT).astype(np.int32))
    return {
        **build.tiles(layout),
        **packed,
        "groups": source.channels,
        "channels": 1,
        "size": len(taps),
        "offsets": table,
    }


def encode_mean_pool(build: Builder, operation: MeanPool) -> Record:
    """Return the fields of means over rectangles."""
    places, weights, starts = [], [], [0]
    for y, (top, bottom) in enumerate(operation.rows):
        for x, (left, right) in enumerate(operation.columns):
            rectangle = np.add.outer(np.arange(top, bottom) * operation.source.width, np.arange(left, right))
            places.append(rectangle.reshape(-1))
            weights.append(np.full(rectangle.size, 1 / operation.divisors[y, x]))
            starts.append(starts[-1] + rectangle.size)
    offsets = np.concatenate(places) * build.lanes * FLOAT
    return {
        "channels": operation.source.channels,
        "size": operation.target.positions,
        "weights": build.tables.add(np.concatenate(weights).astype(np.float32)),
        "offsets": build.tables.add(offsets.astype(np.int32)),
        "starts": build.tables.add(np.array(starts, dtype=np.int32)),
    }


def encode_binary(build: Builder, operation: Binary) -> Record:
    """Return the fields of a sum or product."""
    fields = {"other": build.where(operation.other), "function": MERGES[operation.function]}
    if operation.other.shape == operation.source.shape:
        return fields | {"size": operation.source.channels * build.plane(operation.source) // FLOAT, "channels": 0}
    return fields | {"size": operation.source.positions * build.lanes, "channels": operation.source.channels}


def encode_rescale(build: Builder, operation: Rescale) -> Record:
    """Return the fields of sums of integers that are multiplied by their units."""
    channels = operation.target.channels
    return {
        "channels": channels,
        "rows": operation.source.channels // channels,
        "size": operation.target.positions * build.lanes,
        "units": build.tables.add(operation.units.astype(np.float32)),
        # -1 means that the sums are complete.
        "bias": -1 if operation.bias is None else build.tables.add(operation.bias.astype(np.float64)),
    }


def encode_copy(build: Builder, operation: Copy) -> Record:
    """Return the fields of a copy of channels."""
    return {
        "source_offset": operation.first * build.plane(operation.source),
        "target_offset": operation.to * build.plane(operation.target),
        "size": operation.channels * build.plane(operation.target) // FLOAT,
    }
