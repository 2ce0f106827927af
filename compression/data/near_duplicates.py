"""Near-duplicates in different parts: copies of one picture that were saved again, resized, lightened or cut a little.

A difference hash (N. Krawetz, "Kind of Like That", 2013) says for each pair of neighbouring cells of a thumbnail which
one is lighter. Images that share one of eight pieces of their hash, and most of the others, are compared by the
correlation of their thumbnails.
"""

import numpy as np
from numpy.typing import NDArray

# Correlation of two thumbnails from which they count as one picture.
MIN_CORRELATION = 0.98
# Standard deviation of a thumbnail in grey levels. Below it there is nothing to compare: a blank wall, a clear sky.
MIN_CONTRAST = 6.0
# Bits of a hash, of one piece of it, and the most bits in which the hashes of one picture differ.
_BITS, _PIECE, _MOST_DIFFERENT = 112, 14, 28
# Pairs of one piece of hash that are compared. A piece with more is so common that it proves nothing.
_MOST_PAIRS = 4_000
_CHUNK = 1 << 16

Rows = NDArray[np.int64]


def find_near_duplicates(thumbnails: NDArray[np.uint8], parts: Rows) -> list[tuple[int, int]]:
    """Return pairs of a row and the row most like it in an earlier part, by the first of the pair, ascending.

    ``thumbnails`` are uint8 ``[N, 16, 16]`` from ``make_thumbnails``. ``parts`` are int64 ``[N]``: smaller is earlier,
    rows below 0 are not compared. The second row of a pair is never in the part of the first.
    """
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", flat, flat))
    used = np.flatnonzero((parts >= 0) & (norms >= MIN_CONTRAST * np.sqrt(flat.shape[1])))
    if not len(used):
        return []
    bits = _compare_neighbours(thumbnails[used])
    packed = np.packbits(bits, axis=1).view(np.uint16)
    best: dict[int, tuple[float, int]] = {}
    for piece in np.split(bits, _BITS // _PIECE, axis=1):
        hashes = piece @ (1 << np.arange(_PIECE))
        later, earlier = _list_pairs(hashes, parts[used])
        for start in range(0, len(later), _CHUNK):
            rows, others = later[start : start + _CHUNK], earlier[start : start + _CHUNK]
            close = _POPULATION[packed[rows] ^ packed[others]].sum(axis=1) <= _MOST_DIFFERENT
            rows, others = used[rows[close]], used[others[close]]
            alike = np.einsum("ij,ij->i", flat[rows], flat[others]) / (norms[rows] * norms[others])
            for index in np.flatnonzero(alike >= MIN_CORRELATION).tolist():
                row, found = int(rows[index]), (float(alike[index]), -int(others[index]))
                best[row] = max(best.get(row, found), found)
    return sorted((row, -other) for row, (_, other) in best.items())


# Number of bits that are 1 in each number of 16 bits.
_POPULATION = (
    np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(axis=1, dtype=np.uint8)
)


def _compare_neighbours(thumbnails: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the difference hash over 8x8 cells, 56 comparisons from left to right and 56 downwards, ``[M, 112]``."""
    num = len(thumbnails)
    cells = thumbnails.reshape(num, 8, 2, 8, 2).sum(axis=(2, 4), dtype=np.uint16)
    right, down = cells[:, :, 1:] > cells[:, :, :-1], cells[:, 1:] > cells[:, :-1]
    return np.concatenate([right.reshape(num, -1), down.reshape(num, -1)], axis=1)


def _list_pairs(hashes: NDArray[np.int64], parts: Rows) -> tuple[Rows, Rows]:
    """Return (later, earlier): all pairs of indices with equal hashes, of which the second is in an earlier part."""
    order = np.lexsort((parts, hashes))
    new_hash = np.diff(hashes[order], prepend=-1) != 0
    new_part = new_hash | (np.diff(parts[order], prepend=-1) != 0)
    places = np.arange(len(order))
    # For each place in the order: where its group of equal hashes begins, and where its part in the group begins.
    group, home = (np.maximum.accumulate(np.where(new, places, 0)) for new in (new_hash, new_part))
    counts = home - group
    counts[np.bincount(group, weights=counts, minlength=len(order))[group] > _MOST_PAIRS] = 0
    later = np.repeat(places, counts)
    before = np.arange(len(later)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[later], order[group[later] + before]
