"""What every operation needs while a program becomes tables: constants, memory, and the layout of planes."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.arena import MARGIN, Need
from compression.runtimes.sparse.encoding.structures import (
    FLOAT,
    PACK_NOTHING,
    PACK_PERMUTED,
    PACK_SHIFTED,
    PACK_WHOLE,
    PIECE,
    TILE,
)
from compression.runtimes.sparse.layout import OUTSIDE, Ints, Layout, Packing, cut
from compression.runtimes.sparse.program import Map

# Vectors of one output channel whose sums stay in registers together.
TILE_VECTORS = 8

Record = dict[str, Any]


@dataclass
class Tables:
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


class Builder:
    """The tables and the memory of a program for vectors of ``vector`` floats and ``lanes`` images innermost.

    ``dense_rows`` allows the kernel for convolutions with few zeros.
    """

    def __init__(self, *, vector: int, lanes: int, dense_rows: bool = True) -> None:
        self.vector, self.lanes, self.dense_rows = vector, lanes, dense_rows
        self.tables = Tables()
        self.needs: list[Need] = []
        self.maps: dict[int, int] = {}
        # Windows of up to one vector may begin before a map or end after it.
        self.margin = MARGIN

    def need(self, size: int, first: int, last: int) -> int:
        """Note that ``size`` bytes are used from the operation ``first`` to ``last``; return the number of the need."""
        self.needs.append(Need(size, first, last))
        return len(self.needs) - 1

    def where(self, value: Map) -> int:
        """Return the number of the need of ``value``."""
        return self.maps[id(value)]

    def plane(self, value: Map) -> int:
        """Return the bytes from one channel of ``value`` to the next."""
        return self.spread(value.positions)

    def spread(self, positions: int) -> int:
        """Return the bytes from one plane of ``positions`` pixels to the next."""
        return spread_planes(positions * self.lanes * FLOAT, tile=TILE_VECTORS * self.vector * FLOAT)

    def record(self, kind: int, **fields: Any) -> Record:
        """Return the record of an operation. Places of maps and packed planes are numbers of needs until the end."""
        empty: Record = {"source": -1, "target": -1, "other": -1, "packed": -1, "units": -1}
        return empty | {"kind": kind, "width": self.lanes} | fields

    def pack(self, layout: Layout, time: int, *, channels: int, fill: float) -> Record:
        """Return the fields that lay the channels of one group out again before they are read."""
        if layout.packing is None:
            return {"pack": PACK_NOTHING}
        places = layout.packing.places
        plane = self.spread(len(places))
        fields = {"packed": self.need(channels * plane, time, time), "packed_plane": plane, "fill": fill}
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
        return fields | self.pieces(layout.packing)

    def pieces(self, packing: Packing) -> Record:
        """Return the fields of the vectors of a packed plane."""
        cuts = cut(packing, vector=self.vector)
        pieces = np.zeros(len(cuts.first), dtype=PIECE)
        pieces["first"], pieces["second"] = cuts.first * FLOAT, cuts.second * FLOAT
        parts = (pieces, -cuts.mask.astype(np.int32), cuts.lanes.astype(np.int32))
        table = self.tables.add(np.frombuffer(b"".join(part.tobytes() for part in parts), dtype=np.uint8))
        kind = PACK_SHIFTED if cuts.shifted else PACK_PERMUTED
        return {"pack": kind, "pack_width": cuts.width, "pieces": len(pieces), "piece_table": table}

    def tiles(self, layout: Layout, *, most: int = TILE_VECTORS) -> Record:
        """Return the fields of the tiles of a layout, each of at most ``most`` vectors."""
        count = -(-len(layout.targets) // most)
        tiles = np.zeros(count, dtype=TILE)
        for tile, sources, targets in zip(
            tiles, _split(layout.sources, count), _split(layout.targets, count), strict=True
        ):
            tile["vectors"] = len(sources)
            tile["contiguous"] = all((np.diff(places) == layout.width).all() for places in (sources, targets))
            tile["source"][: len(sources)] = sources * self.lanes * FLOAT
            tile["target"][: len(targets)] = targets * self.lanes * FLOAT
        return {"tiles": count, "tile_table": self.tables.add(tiles), "width": layout.width * self.lanes}


def spread_planes(size: int, *, tile: int) -> int:
    """Return the bytes from one channel to the next for planes of ``size`` bytes that are read ``tile`` bytes at once.

    Tiles of planes at multiples of twice their size would share half of the cache's sets, or fewer, so planes are moved
    apart by a tile.
    """
    return size + tile if size > tile and size % (2 * tile) == 0 else size


def _split(values: Ints, count: int) -> list[Ints]:
    """Return ``values`` in ``count`` parts of nearly equal length."""
    return np.array_split(values, count)
