"""Encoding: a program as the tables that the compiled kernels walk. The structures are those of kernels/program.h."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.runtimes.sparse.arena import MARGIN, Need, place
from compression.runtimes.sparse.layout import (
    OUTSIDE,
    Ints,
    Layout,
    Packing,
    cut,
    fits_depthwise,
    is_depthwise,
    largest_power_of_two,
    lay_out,
    reach_window,
    shift_taps,
)
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

_FIELDS = (
    *("kind", "width", "source", "target", "other", "groups", "channels", "rows", "source_plane", "target_plane"),
    *(
        "tiles",
        "tile_table",
        "weights",
        "offsets",
        "starts",
        "bias",
        "units",
        "pack",
        "pack_width",
        "pieces",
        "piece_table",
    ),
    *("packed", "packed_plane", "size", "function"),
)
OPERATION = np.dtype([(name, "<i8") for name in _FIELDS] + [(name, "<f4") for name in ("low", "high", "fill", "slope")])
TILE = np.dtype([("vectors", "<i4"), ("contiguous", "<i4"), ("source", "<i4", 8), ("target", "<i4", 8)])
TAP = np.dtype([("tap", "<i4"), ("offset", "<i4")])
PIECE = np.dtype([("first", "<i4"), ("second", "<i4")])

IMPORT, EXPORT, CONVOLUTION, MAXIMUM, POOL, UNARY, BINARY, COPY, DEPTHWISE, PACK, RESCALE = range(11)
DEPTHWISE_PLANES, DEPTHWISE_SMALL, DEPTHWISE_LANES = range(3)
PACK_NOTHING, PACK_SHIFTED, PACK_PERMUTED, PACK_WHOLE = range(4)
FUNCTIONS = {
    name: i
    for i, name in enumerate(
        ("relu", "sigmoid", "silu", "hardsigmoid", "hardswish", "tanh", "leaky_relu", "round", "scale")
    )
}
MERGES = {"add": 0, "multiply": 1}

# Vectors of one output channel whose sums stay in registers together.
TILE_VECTORS = 8
FLOAT = 4
Floats = NDArray[np.float32]
# What a tile reads of a block of input channels, so that it stays in a first-level cache of 32 KiB.
BLOCK_BYTES = 24 << 10
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


@dataclass
class _Tables:
    """Constants, one after the other, each at a multiple of 64 bytes."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, values: NDArray[Any]) -> int:
        """Append ``values`` and return their place in bytes."""
        place, data = self.size, np.ascontiguousarray(values).tobytes()
        data += bytes(-len(data) % 64)
        self.parts.append(data)
        self.size += len(data)
        return place


def encode(program: Program, *, vector: int, lanes: int) -> Encoded:
    """Return the tables of ``program`` for vectors of ``vector`` floats and ``lanes`` images at once.

    ``lanes`` is 1, or ``vector`` for batches, with the images innermost.
    """
    return _Encoder(program, vector=vector, lanes=lanes).encode()


class _Encoder:
    def __init__(self, program: Program, *, vector: int, lanes: int) -> None:
        self.program, self.vector, self.lanes = program, vector, lanes
        self.tables = _Tables()
        self.needs: list[Need] = []
        self.maps: dict[int, int] = {}
        # Windows of up to one vector may begin before a map or end after it.
        self.margin = MARGIN

    def encode(self) -> Encoded:
        operations = self.program.operations
        self._need_maps(operations)
        image = self.program.image
        planes = {"channels": image.channels, "size": image.positions, "target_plane": self._plane(image)}
        records = [self._record(IMPORT, target=self._where(image), **planes)]
        for time, operation in enumerate(operations, start=1):
            records += self._encode(operation, time)
        logits = self.program.logits
        planes = {"channels": logits.channels, "size": logits.positions, "source_plane": self._plane(logits)}
        records.append(self._record(EXPORT, source=self._where(logits), **planes))
        places, arena_bytes = place(self.needs, margin=self.margin)
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
        data = np.frombuffer(b"".join(self.tables.parts), dtype=np.uint8)
        return Encoded(table, data, arena_bytes, self.lanes, _size(logits))

    def _need_maps(self, operations: list[Operation]) -> None:
        """Note when each map is first written and last read."""
        spans: dict[int, tuple[Map, int, int]] = {id(self.program.image): (self.program.image, 0, 0)}
        for time, operation in enumerate(operations, start=1):
            for value in (operation.target, *operation.sources):
                _, first, _ = spans.get(id(value), (value, time, time))
                spans[id(value)] = value, first, time
        logits = self.program.logits
        spans[id(logits)] = logits, spans[id(logits)][1], len(operations) + 1
        for key, (value, first, last) in spans.items():
            self.maps[key] = self._need(value.channels * self._plane(value), first, last)

    def _need(self, size: int, first: int, last: int) -> int:
        self.needs.append(Need(size, first, last))
        return len(self.needs) - 1

    def _where(self, value: Map) -> int:
        return self.maps[id(value)]

    def _plane(self, value: Map) -> int:
        return self._spread(value.positions)

    def _spread(self, positions: int) -> int:
        return spread_planes(positions * self.lanes * FLOAT, tile=TILE_VECTORS * self.vector * FLOAT)

    def _record(self, kind: int, **fields: Any) -> dict[str, Any]:
        empty: dict[str, Any] = {"source": -1, "target": -1, "other": -1, "packed": -1, "units": -1}
        return empty | {"kind": kind, "width": self.lanes} | fields

    def _encode(self, operation: Operation, time: int) -> list[dict[str, Any]]:
        common = {
            "source": self._where(operation.source),
            "target": self._where(operation.target),
            "source_plane": self._plane(operation.source),
            "target_plane": self._plane(operation.target),
            "low": operation.low,
            "high": operation.high,
            "slope": operation.step,
        }
        match operation:
            case Convolution() if self.lanes > 1 and is_depthwise(operation):
                return [self._record(DEPTHWISE, **common | self._depthwise_of_lanes(operation))]
            case Convolution() if self.lanes == 1 and fits_depthwise(operation):
                return self._depthwise(operation, time, common)
            case Convolution():
                return [self._record(CONVOLUTION, **common | self._convolution(operation, time))]
            case MaxPool():
                return [self._record(MAXIMUM, **common | self._max_pool(operation, time))]
            case MeanPool():
                return [self._record(POOL, **common | self._mean_pool(operation))]
            case Unary():
                size = operation.source.channels * self._plane(operation.source) // FLOAT
                number = FUNCTIONS[operation.function]
                return [self._record(UNARY, **common | {"size": size, "function": number, "slope": operation.slope})]
            case Binary():
                return [self._record(BINARY, **common | self._binary(operation))]
            case Rescale():
                return [self._record(RESCALE, **common | self._rescale(operation))]
            case Copy():
                return [self._record(COPY, **common | self._copy(operation))]
        raise AssertionError(type(operation))

    def _convolution(self, operation: Convolution, time: int) -> dict[str, Any]:
        source, target, weight = operation.source, operation.target, operation.weight.astype(np.float32)
        layout = lay_out(source, target, operation.window, vector=self.vector, lanes=self.lanes)
        packed = self._pack(layout, time, channels=weight.shape[1], fill=0.0)
        plane = packed["packed_plane"] if layout.packing else self._plane(source)
        outputs, inputs, y, x = np.nonzero(weight)
        taps = layout.taps[y, x]
        kept = taps != OUTSIDE
        outputs, inputs, taps, values = outputs[kept], inputs[kept], taps[kept], weight[weight != 0][kept]
        offsets = (inputs * plane + taps * self.lanes * FLOAT).astype(np.int32)
        # Blocks of input channels, one after the other; within a block, rows in order.
        blocks = self._count_blocks(layout, channels=weight.shape[1]) if operation.groups == 1 else 1
        block = inputs * blocks // weight.shape[1]
        order = np.argsort(block * len(weight) + outputs, kind="stable")
        bounds = np.arange(blocks * len(weight) + 1)
        starts = np.searchsorted((block * len(weight) + outputs)[order], bounds).astype(np.int32)
        return {
            **self._tiles(layout),
            **packed,
            "other": -1 if operation.added is None else self._where(operation.added),
            "groups": operation.groups,
            "channels": weight.shape[1],
            "rows": len(weight) // operation.groups,
            "size": blocks,
            "weights": self.tables.add(values[order]),
            "offsets": self.tables.add(offsets[order]),
            "starts": self.tables.add(starts),
            "bias": self.tables.add(operation.bias.astype(np.float32)),
            "units": self._units(operation),
        }

    def _units(self, operation: Convolution) -> int:
        return -1 if operation.units is None else self.tables.add(operation.units.astype(np.float32))

    def _count_blocks(self, layout: Layout, *, channels: int) -> int:
        """Return the number of blocks of input channels, so that what a tile reads of a block fits the cache."""
        taps = layout.taps[layout.taps != OUTSIDE]
        first = layout.sources[: -(-len(layout.sources) // -(-len(layout.sources) // TILE_VECTORS))]
        pixels = np.unique(np.add.outer(np.add.outer(first, taps), np.arange(layout.width)))
        in_block = max(BLOCK_BYTES // (len(pixels) * self.lanes * FLOAT), 8)
        return max(-(-channels // in_block), 1)

    def _depthwise(self, operation: Convolution, time: int, common: dict[str, Any]) -> list[dict[str, Any]]:
        """Encode a depthwise convolution; with a stride, all pixels are computed and some are then kept."""
        source, target, weight = operation.source, operation.target, operation.weight.astype(np.float32)
        taps, shifts, masks = shift_taps(operation)
        bias, units = operation.bias.astype(np.float32), operation.units
        weight = np.ascontiguousarray(weight.reshape(len(weight), -1)[:, taps])
        small = self.vector % source.positions == 0
        width = self.vector if small else largest_power_of_two(min(self.vector, source.positions))
        if small:
            # As vectors: the weights of a tap for all pixels of as many channels as fit.
            masks = np.tile(masks, self.vector // source.positions)
            spread = np.repeat(weight, source.positions, axis=0)
            spread = np.pad(spread, ((0, -len(spread) % width), (0, 0)))
            weight = spread.reshape(-1, width, len(taps)).transpose(0, 2, 1)
            bias = _repeat(bias, source.positions, length=len(spread))
            units = None if units is None else _repeat(units, source.positions, length=len(spread))
        self.margin = max(self.margin, int(np.abs(shifts).max(initial=0)) * FLOAT + MARGIN)
        strided = target.shape != source.shape
        whole = self._need(source.channels * self._plane(source), time, time) if strided else self._where(target)
        fields = {
            "width": width,
            "target": whole,
            "target_plane": self._plane(source),
            "channels": source.channels,
            "rows": source.positions,
            "size": len(taps),
            "function": DEPTHWISE_SMALL if small else DEPTHWISE_PLANES,
            "weights": self.tables.add(weight),
            "starts": self.tables.add((shifts * FLOAT).astype(np.int32)),
            "bias": self.tables.add(bias),
            "units": -1 if units is None else self.tables.add(units.astype(np.float32)),
            "piece_table": self.tables.add(-masks.astype(np.int32)),
        }
        records = [self._record(DEPTHWISE, **common | fields)]
        if strided:
            y, x = (np.arange(size) * operation.window.stride[i] for i, size in enumerate(target.shape[1:]))
            kept = Packing((y[:, None] * source.width + x).reshape(-1))
            pieces = self._pieces(kept)
            planes = {"source_plane": self._plane(source), "packed_plane": self._plane(target)}
            records.append(
                self._record(
                    PACK, source=whole, packed=self._where(target), channels=source.channels, **planes, **pieces
                )
            )
        return records

    def _depthwise_of_lanes(self, operation: Convolution) -> dict[str, Any]:
        """Encode, for each pixel of the target, the taps that meet a pixel of the source, and where."""
        window, source = operation.window, operation.source
        rows, columns = reach_window(source, operation.target, window)
        places = rows[:, None, :, None] * source.width + columns[None, :, None, :]
        inside = (rows >= 0)[:, None, :, None] & (columns >= 0)[None, :, None, :]
        places = places.reshape(-1, operation.target.positions).T
        inside = inside.reshape(-1, operation.target.positions).T
        pixels, taps = np.nonzero(inside)
        entries = np.zeros(len(taps), dtype=TAP)
        entries["tap"], entries["offset"] = taps, places[inside] * self.lanes * FLOAT
        starts = np.searchsorted(pixels, np.arange(operation.target.positions + 1)).astype(np.int32)
        return {
            "function": DEPTHWISE_LANES,
            "channels": source.channels,
            "rows": operation.target.positions,
            "size": places.shape[1],
            "weights": self.tables.add(operation.weight.astype(np.float32)),
            "tile_table": self.tables.add(entries),
            "starts": self.tables.add(starts),
            "bias": self.tables.add(operation.bias.astype(np.float32)),
            "units": self._units(operation),
        }

    def _max_pool(self, operation: MaxPool, time: int) -> dict[str, Any]:
        source = operation.source
        layout = lay_out(source, operation.target, operation.window, vector=self.vector, lanes=self.lanes)
        packed = self._pack(layout, time, channels=1, fill=-np.inf)
        taps = layout.taps[layout.taps != OUTSIDE]
        table = self.tables.add((taps * self.lanes * FLOAT).astype(np.int32))
        return {
            **self._tiles(layout),
            **packed,
            "groups": source.channels,
            "channels": 1,
            "size": len(taps),
            "offsets": table,
        }

    def _pack(self, layout: Layout, time: int, *, channels: int, fill: float) -> dict[str, Any]:
        if layout.packing is None:
            return {"pack": PACK_NOTHING}
        places = layout.packing.places
        plane = self._spread(len(places))
        fields = {"packed": self._need(channels * plane, time, time), "packed_plane": plane, "fill": fill}
        if self.lanes > 1:
            pieces = np.zeros(len(places), dtype=PIECE)
            pieces["first"] = np.where(places == OUTSIDE, -1, places * self.lanes * FLOAT)
            table = self.tables.add(pieces)
            return fields | {
                "pack": PACK_WHOLE,
                "pack_width": self.lanes,
                "pieces": len(places),
                "piece_table": table,
            }
        return fields | self._pieces(layout.packing)

    def _pieces(self, packing: Packing) -> dict[str, Any]:
        cuts = cut(packing, vector=self.vector)
        pieces = np.zeros(len(cuts.first), dtype=PIECE)
        pieces["first"], pieces["second"] = cuts.first * FLOAT, cuts.second * FLOAT
        parts = (pieces, -cuts.mask.astype(np.int32), cuts.lanes.astype(np.int32))
        table = self.tables.add(np.frombuffer(b"".join(part.tobytes() for part in parts), dtype=np.uint8))
        kind = PACK_SHIFTED if cuts.shifted else PACK_PERMUTED
        return {"pack": kind, "pack_width": cuts.width, "pieces": len(pieces), "piece_table": table}

    def _tiles(self, layout: Layout) -> dict[str, Any]:
        count = -(-len(layout.targets) // TILE_VECTORS)
        tiles = np.zeros(count, dtype=TILE)
        for tile, sources, targets in zip(
            tiles, _split(layout.sources, count), _split(layout.targets, count), strict=True
        ):
            tile["vectors"] = len(sources)
            tile["contiguous"] = all((np.diff(places) == layout.width).all() for places in (sources, targets))
            tile["source"][: len(sources)] = sources * self.lanes * FLOAT
            tile["target"][: len(targets)] = targets * self.lanes * FLOAT
        return {"tiles": count, "tile_table": self.tables.add(tiles), "width": layout.width * self.lanes}

    def _mean_pool(self, operation: MeanPool) -> dict[str, Any]:
        places, weights, starts = [], [], [0]
        for y, (top, bottom) in enumerate(operation.rows):
            for x, (left, right) in enumerate(operation.columns):
                rectangle = np.add.outer(np.arange(top, bottom) * operation.source.width, np.arange(left, right))
                places.append(rectangle.reshape(-1))
                weights.append(np.full(rectangle.size, 1 / operation.divisors[y, x]))
                starts.append(starts[-1] + rectangle.size)
        offsets = np.concatenate(places) * self.lanes * FLOAT
        return {
            "channels": operation.source.channels,
            "size": operation.target.positions,
            "weights": self.tables.add(np.concatenate(weights).astype(np.float32)),
            "offsets": self.tables.add(offsets.astype(np.int32)),
            "starts": self.tables.add(np.array(starts, dtype=np.int32)),
        }

    def _binary(self, operation: Binary) -> dict[str, Any]:
        fields = {"other": self._where(operation.other), "function": MERGES[operation.function]}
        if operation.other.shape == operation.source.shape:
            return fields | {"size": operation.source.channels * self._plane(operation.source) // FLOAT, "channels": 0}
        return fields | {"size": operation.source.positions * self.lanes, "channels": operation.source.channels}

    def _rescale(self, operation: Rescale) -> dict[str, Any]:
        channels = operation.target.channels
        return {
            "channels": channels,
            "rows": operation.source.channels // channels,
            "size": operation.target.positions * self.lanes,
            "units": self.tables.add(operation.units.astype(np.float32)),
            # -1 means that the sums are complete.
            "bias": -1 if operation.bias is None else self.tables.add(operation.bias.astype(np.float64)),
        }

    def _copy(self, operation: Copy) -> dict[str, Any]:
        return {
            "source_offset": operation.first * self._plane(operation.source),
            "target_offset": operation.to * self._plane(operation.target),
            "size": operation.channels * self._plane(operation.target) // FLOAT,
        }


def spread_planes(size: int, *, tile: int) -> int:
    """Return the bytes from one channel to the next for planes of ``size`` bytes that are read ``tile`` bytes at once.

    Tiles of planes at multiples of twice their size would share half of the cache's sets, or fewer, so planes are moved
    apart by a tile.
    """
    return size + tile if size > tile and size % (2 * tile) == 0 else size


def _repeat(values: Floats, count: int, *, length: int) -> Floats:
    """Return each of ``values`` ``count`` times, then zeros up to ``length``."""
    return np.pad(np.repeat(values, count), (0, length - len(values) * count))


def _size(value: Map) -> int:
    return value.channels * value.positions


def _split(values: Ints, count: int) -> list[Ints]:
    """Return ``values`` in ``count`` parts of nearly equal length."""
    return np.array_split(values, count)
