"""One image by several threads: each operation in parts of its channels, with no sum in another order."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.sparse.encoding.encode import Encoded
from compression.runtimes.sparse.encoding.structures import (
    BINARY,
    CONVOLUTION,
    COPY,
    DEPTHWISE,
    DEPTHWISE_PLANES,
    DEPTHWISE_ROWS,
    FLOAT,
    NOTHING,
    OPERATION,
    PACK,
    PACK_NOTHING,
    POOL,
    UNARY,
)
from compression.runtimes.sparse.layout import Ints

# As kernels/run_shared.c has it.
MOST_PARTS = 64
# Parts of values that lie one after the other begin at multiples of so many, so that few share a line of the cache.
_UNIT = 16
# Beside its weights, a row writes its result: about as much as so many weights.
_WEIGHTS_OF_A_ROW = 4
# Taps of a depthwise kernel that reads rows.
_TAPS = 9

Operations = NDArray[np.void]


def share(encoded: Encoded, parts: int) -> Operations:
    """Return the operations of ``encoded`` for each of ``parts`` threads: ``[parts, steps]``.

    All threads finish a step before any begins the next. An operation that cannot be divided is left to the first
    thread.
    """
    steps: list[Operations] = []
    for op in encoded.operations:
        if op["kind"] == CONVOLUTION and op["groups"] == 1 and op["pack"] != PACK_NOTHING:
            packing, op = _part_from_packing(op)
            steps.append(_divide(packing, encoded, parts))
        steps.append(_divide(op, encoded, parts))
    return np.stack(steps, axis=1)


def _part_from_packing(op: np.void) -> tuple[np.void, np.void]:
    """Return the packing of a convolution as an operation, and the convolution that reads what it packed."""
    packing, rest = op.copy(), op.copy()
    packing["kind"] = PACK
    rest["pack"] = PACK_NOTHING
    rest["source"], rest["source_plane"] = op["packed"], op["packed_plane"]
    return packing, rest


def _divide(op: np.void, encoded: Encoded, parts: int) -> Operations:
    """Return the parts of one operation: ``[parts]``."""
    bounds, cut = _find_cut(op, encoded, parts)
    found = np.zeros(parts, dtype=OPERATION)
    found["kind"] = NOTHING
    for part, (first, end) in enumerate(pairwise(bounds)):
        if end > first:
            found[part] = op
            cut(found[part], int(first), int(end))
    return found


Cut = Callable[[np.void, int, int], None]


def _find_cut(op: np.void, encoded: Encoded, parts: int) -> tuple[Ints, Cut]:
    """Return where the parts of an operation begin and end, and what makes one of them."""
    kind = int(op["kind"])
    if kind == CONVOLUTION and op["groups"] == 1:
        return _bound_rows(op, encoded, parts), _cut_rows
    if kind == CONVOLUTION and op["pack"] == PACK_NOTHING:
        return _bound(int(op["groups"]), parts), _cut_groups
    if kind == DEPTHWISE and op["function"] in (DEPTHWISE_PLANES, DEPTHWISE_ROWS):
        return _bound(int(op["channels"]), parts), _cut_depthwise
    if kind in (PACK, POOL):
        return _bound(int(op["channels"]), parts), _cut_channels
    if kind in (UNARY, COPY) or (kind == BINARY and op["channels"] == 0):
        return _bound(int(op["size"]), parts, unit=_UNIT), _cut_values
    return np.array([0, *[1] * parts]), _keep_whole


def _bound(count: int, parts: int, *, unit: int = 1) -> Ints:
    """Return the bounds of ``parts`` nearly equal parts that begin at multiples of ``unit``."""
    units = -(-count // unit)
    return np.minimum(np.arange(parts + 1) * units // parts * unit, count)


def _bound_rows(op: np.void, encoded: Encoded, parts: int) -> Ints:
    """Return the bounds of rows with nearly as many weights in each part; rows that share a list stay together."""
    lists, blocks = int(op["rows"] // op["together"]), int(op["size"])
    first = int(op["starts"])
    starts = encoded.tables[first : first + FLOAT * (blocks * lists + 1)].view(np.int32)
    work = np.diff(starts).reshape(blocks, lists).sum(axis=0) + _WEIGHTS_OF_A_ROW
    done = np.concatenate([[0], np.cumsum(work)])
    return np.abs(done - np.arange(parts + 1)[:, None] * (done[-1] / parts)).argmin(axis=1) * int(op["together"])


def _cut_rows(part: np.void, first: int, end: int) -> None:
    """Rows of a convolution. The starts of all rows stay where they are: one list for each block of input channels."""
    part["rows"] = end - first
    _move(part, ("target", "other"), first * int(part["target_plane"]))
    _move(part, ("starts",), first // int(part["together"]) * FLOAT)
    _move(part, ("bias", "units"), first * FLOAT)


def _cut_groups(part: np.void, first: int, end: int) -> None:
    rows = first * int(part["rows"])
    part["groups"] = end - first
    part["source"] += first * part["channels"] * part["source_plane"]
    _move(part, ("target", "other"), rows * int(part["target_plane"]))
    _move(part, ("starts", "bias", "units"), rows * FLOAT)


def _cut_depthwise(part: np.void, first: int, end: int) -> None:
    _cut_channels(part, first, end)
    taps = _TAPS if part["function"] == DEPTHWISE_ROWS else int(part["size"])
    part["weights"] += first * taps * FLOAT
    _move(part, ("bias", "units"), first * FLOAT)


def _cut_channels(part: np.void, first: int, end: int) -> None:
    part["channels"] = end - first
    part["source"] += first * part["source_plane"]
    _move(part, ("target",), first * int(part["target_plane"]))
    _move(part, ("packed",), first * int(part["packed_plane"]))


def _cut_values(part: np.void, first: int, end: int) -> None:
    part["size"] = end - first
    _move(part, ("source", "target", "other"), first * FLOAT)


def _keep_whole(part: np.void, first: int, end: int) -> None:
    """Leave an operation that cannot be divided as it is."""


def _move(part: np.void, fields: tuple[str, ...], distance: int) -> None:
    """Move the places that an operation has; -1 means that it has none."""
    for name in fields:
        if part[name] >= 0:
            part[name] += distance
