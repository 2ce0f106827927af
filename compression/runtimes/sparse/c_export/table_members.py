"""The tables of an encoded network as typed arrays, each once, and the operations that point to them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.encoding.encode import Encoded
from compression.runtimes.sparse.encoding.structures import (
    CONVOLUTION,
    DEPTHWISE,
    MAXIMUM,
    PACK,
    PACK_NOTHING,
    POOL,
    RESCALE,
)

Array = NDArray[np.generic]
# Flags of kernels/small_rows.inc, and the number of weights that an 8-bit place can tell apart.
SHORT_OFFSETS, LISTED_WEIGHTS = 1, 2
MOST_LISTED = 256

_TYPES = {"weights": "<f4", "bias": "<f4", "units": "<f4"}
_TABLES = {
    CONVOLUTION: ("weights", "offsets", "starts", "bias", "tile_table"),
    DEPTHWISE: ("weights", "bias", "piece_table"),
    MAXIMUM: ("offsets", "tile_table"),
    POOL: ("weights", "offsets", "starts"),
    PACK: ("piece_table",),
}
# Fields that are -1 where there is no such table.
_OPTIONAL = {CONVOLUTION: ("units",), DEPTHWISE: ("units", "starts", "offsets"), RESCALE: ("units", "bias")}


@dataclass
class Members:
    """Typed arrays one after the other, each at a multiple of 4 bytes, or 8 for doubles. Equal arrays are kept once."""

    arrays: list[Array] = field(default_factory=list)
    size: int = 0
    _known: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def add(self, values: Array) -> int:
        """Append ``values``, or find an equal array, and return its place in bytes."""
        # C has no empty arrays, so the table of a layer without weights is four bytes of zeros.
        missing = -values.nbytes % 4 if values.nbytes else max(4, values.itemsize)
        values = np.concatenate([values, np.zeros(missing // values.itemsize, values.dtype)])
        key = values.dtype.str, values.tobytes()
        if key not in self._known:
            self.size += -self.size % values.itemsize
            self._known[key] = self.size
            self.arrays.append(values)
            self.size += values.nbytes
        return self._known[key]


@dataclass(frozen=True)
class CTables:
    """What the C text is written from. ``longest_row`` is None unless some table is small.

    ``num_narrow`` counts the convolutions with 16-bit offsets, ``num_listed`` those with 8-bit weights.
    """

    operations: NDArray[np.void]
    members: Members
    longest_row: int | None
    num_narrow: int = 0
    num_listed: int = 0


def make_members(encoded: Encoded, *, small: bool) -> CTables:
    """Return the tables of ``encoded``; ``small`` narrows offsets and weights where that changes no value."""
    operations, members, longest = encoded.operations.copy(), Members(), 1
    read = _Reader(encoded)
    for op in operations:
        tables = {name: read.table(int(op[name]), _type_of(op, name)) for name in tables_of(op)}
        if small and op["kind"] == CONVOLUTION:
            longest = max(longest, _narrow(op, tables))
        for name, values in tables.items():
            op[name] = members.add(values)
    convolutions = operations[operations["kind"] == CONVOLUTION]["function"]
    return CTables(
        operations,
        members,
        longest if small else None,
        int((convolutions & SHORT_OFFSETS != 0).sum()),
        int((convolutions & LISTED_WEIGHTS != 0).sum()),
    )


def tables_of(op: NDArray[np.void] | np.void) -> tuple[str, ...]:
    """Return the fields of an operation that hold places of tables."""
    names = _TABLES.get(int(op["kind"]), ())
    packs = op["kind"] in (CONVOLUTION, MAXIMUM) and op["pack"] != PACK_NOTHING
    wanted = (*names, *(["piece_table"] if packs else []))
    return (*wanted, *(name for name in _OPTIONAL.get(int(op["kind"]), ()) if op[name] >= 0))


def _type_of(op: np.void, name: str) -> str:
    # Sums in parts are added in double precision, with their bias.
    return "<f8" if (op["kind"], name) == (RESCALE, "bias") else _TYPES.get(name, "<i4")


class _Reader:
    """Cuts the tables of an encoded network where operations point."""

    def __init__(self, encoded: Encoded) -> None:
        self.data = encoded.tables
        places = {int(op[name]) for op in encoded.operations for name in tables_of(op)}
        self.ends = dict(zip(sorted(places), [*sorted(places)[1:], len(self.data)], strict=True))

    def table(self, place: int, dtype: str) -> Array:
        """Return the table of ``dtype`` at ``place`` with the zeros that fill it up."""
        return self.data[place : self.ends[place]].view(dtype)


def _narrow(op: np.void, tables: dict[str, Array]) -> int:
    """Narrow the tables of one convolution, and return the weights of its longest row."""
    num_starts = int(op["size"] * op["rows"] if op["groups"] == 1 else op["groups"] * op["rows"]) + 1
    starts = tables["starts"][:num_starts].astype(np.int64)
    count = int(starts[-1])
    weights, offsets = tables["weights"][:count], tables["offsets"][:count].astype(np.int64)
    bias = tables["bias"][: int(op["groups"] * op["rows"])]
    tables.update(starts=starts.astype("<i4"), weights=weights, offsets=offsets.astype("<i4"), bias=bias)
    # The first of each row is counted from the source.
    steps = np.diff(offsets, prepend=0)
    firsts = starts[:-1][np.diff(starts) > 0]
    steps[firsts] = offsets[firsts]
    steps //= 4
    flags = 0
    if np.abs(steps).max(initial=0) < 1 << 15:
        flags |= SHORT_OFFSETS
        tables["offsets"] = steps.astype("<i2")
    # As bits, so that 0 and -0 stay apart.
    values, numbers = np.unique(weights.view("<u4"), return_inverse=True)
    if op["groups"] == op["size"] == 1 and len(values) <= MOST_LISTED and count + 4 * len(values) < 4 * count:
        flags |= LISTED_WEIGHTS
        tables["weights"] = numbers.astype("u1")
        tables["bias"] = np.concatenate([bias, values.view("<f4")])
    op["function"] = flags
    return int(np.diff(starts).max(initial=0))
