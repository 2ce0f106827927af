"""Encoding: a program as the tables that the compiled kernels walk. The structures are those of kernels/program.h."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.runtimes.sparse.arena import place
from compression.runtimes.sparse.encoding.builder import Builder, Record
from compression.runtimes.sparse.encoding.convolutions import encode_convolution
from compression.runtimes.sparse.encoding.depthwise import encode_depthwise, encode_depthwise_of_lanes
from compression.runtimes.sparse.encoding.others import (
    encode_binary,
    encode_copy,
    encode_max_pool,
    encode_mean_pool,
    encode_rescale,
)
from compression.runtimes.sparse.encoding.structures import (
    BINARY,
    CONVOLUTION,
    COPY,
    DEPTHWISE,
    EXPORT,
    FLOAT,
    FUNCTIONS,
    IMPORT,
    MAXIMUM,
    OPERATION,
    POOL,
    RESCALE,
    UNARY,
)
from compression.runtimes.sparse.layout import fits_depthwise, is_depthwise
from compression.runtimes.sparse.program import (
    Binary,
    Convolution,
    Copy,
    Map,
    MaxPool,
    MeanPool,
    Operation,
    Program,
    Rescale,
    Unary,
)

# Tables hold places as 32-bit integers.
LARGEST_ARENA = 1 << 31


@dataclass(frozen=True)
class Encoded:
    """A network for one shape of images: operations, tables of constants, and the size of its arena in bytes."""

    operations: NDArray[np.void]
    tables: NDArray[np.uint8]
    arena_bytes: int
    lanes: int
    classes: int


def encode(program: Program, *, vector: int, lanes: int, dense_rows: bool = True) -> Encoded:
    """Return the tables of ``program`` for vectors of ``vector`` floats and ``lanes`` images at once.

    ``lanes`` is 1, or ``vector`` for batches, with the images innermost. Without ``dense_rows``, all convolutions use
    the sparse kernel. Raises InputError if the maps need more memory than tables can address.
    """
    build = Builder(vector=vector, lanes=lanes, dense_rows=dense_rows)
    _need_maps(build, program)
    records = [_at_the_border(build, IMPORT, program.image, role="target")]
    for time, operation in enumerate(program.operations, start=1):
        records += _encode(build, operation, time)
    logits = program.logits
    records.append(_at_the_border(build, EXPORT, logits, role="source"))
    places, arena_bytes = place(build.needs, margin=build.margin)
    if arena_bytes >= LARGEST_ARENA:
        raise InputError(
            f"engine sparse: the maps of this network need {format_size(arena_bytes)}; "
            f"allowed: below {format_size(LARGEST_ARENA)}, use smaller images"
        )
    for record in records:
        for name in ("source", "target", "other", "packed"):
            # Until here these fields held the number of a need.
            record[name] = places[record[name]] + record.pop(f"{name}_offset", 0) if record[name] >= 0 else -1
    table = np.zeros(len(records), dtype=OPERATION)
    for row, record in zip(table, records, strict=True):
        for name, value in record.items():
            row[name] = value
    data = np.frombuffer(b"".join(build.tables.parts), dtype=np.uint8)
    return Encoded(table, data, arena_bytes, lanes, logits.channels * logits.positions)


def _need_maps(build: Builder, program: Program) -> None:
    """Note when each map is first written and last read."""
    operations = program.operations
    spans: dict[int, tuple[Map, int, int]] = {id(program.image): (program.image, 0, 0)}
    for time, operation in enumerate(operations, start=1):
        for value in (operation.target, *operation.sources):
            _, first, _ = spans.get(id(value), (value, time, time))
            spans[id(value)] = value, first, time
    logits = program.logits
    spans[id(logits)] = logits, spans[id(logits)][1], len(operations) + 1
    for key, (value, first, last) in spans.items():
        build.maps[key] = build.need(value.channels * build.plane(value), first, last)


def _at_the_border(build: Builder, kind: int, value: Map, *, role: str) -> Record:
    """Return the record that reads the images or writes the logits."""
    places = {role: build.where(value), f"{role}_plane": build.plane(value)}
    return build.record(kind, channels=value.channels, size=value.positions, **places)


def _encode(build: Builder, operation: Operation, time: int) -> list[Record]:
    common = {
        "source": build.where(operation.source),
        "target": build.where(operation.target),
        "source_plane": build.plane(operation.source),
        "target_plane": build.plane(operation.target),
        "low": operation.low,
        "high": operation.high,
        "slope": operation.step,
    }
    match operation:
        case Convolution() if build.lanes > 1 and is_depthwise(operation):
            return [build.record(DEPTHWISE, **common | encode_depthwise_of_lanes(build, operation))]
        case Convolution() if build.lanes == 1 and fits_depthwise(operation):
            return encode_depthwise(build, operation, time, common)
        case Convolution():
            return [build.record(CONVOLUTION, **common | encode_convolution(build, operation, time))]
        case MaxPool():
            return [build.record(MAXIMUM, **common | encode_max_pool(build, operation, time))]
        case MeanPool():
            return [build.record(POOL, **common | encode_mean_pool(build, operation))]
        case Unary():
            size = operation.source.channels * build.plane(operation.source) // FLOAT
            number = FUNCTIONS[operation.function]
            return [build.record(UNARY, **common | {"size": size, "function": number, "slope": operation.slope})]
        case Binary():
            return [build.record(BINARY, **common | encode_binary(build, operation))]
        case Rescale():
            return [build.record(RESCALE, **common | encode_rescale(build, operation))]
        case Copy():
            return [build.record(COPY, **common | encode_copy(build, operation))]
    raise AssertionError(type(operation))
