"""A small frequency table for an entropy coder, which is decoded with integer arithmetic only.

A table is ``precision`` in 2 bits, followed by one run for each side. A run describes the symbols 1, 2, ...:

- a bit; 0 means that no symbol occurs, and the run ends
- the last symbol that occurs, less 1, in 8 bits
- the first symbol that occurs, in Elias gamma code, and its level in 8 bits; the run ends if it is also the last one
- k in 3 bits, and slope + 16 in 5 bits
- unless k is 7, for every further symbol a residual as a Rice code with parameter k: the high bits as ones and a zero,
  then the k low bits. An even number u means u / 2, an odd one -(u + 1) / 2

The level of a symbol is the level of the symbol before it, plus slope, plus residual (0 for k = 7). A symbol of level 0
does not occur. A symbol of any other level occurs about ``2 ** ((level - 1) / 2 ** precision)`` times, up to a factor
that all symbols of the table share.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codecs.bit_packing import BitReader, BitWriter

MAX_SYMBOL = 256
# round(2 ** (16 + i / 8)), as constants because math functions differ in the last bit between platforms.
_EIGHTHS = (65536, 71468, 77936, 84990, 92682, 101070, 110218, 120194)
_MAX_LEVEL = 255
_PRECISIONS = range(4)
_SLOPES = np.arange(-16, 16)
_NO_RESIDUALS = 7


def read_table(reader: BitReader, *, num_sides: int, codec: str) -> list[list[int]]:
    """Return the weights of the symbols 1 to 256 for each side, 0 if a symbol does not occur.

    Raises ArtifactError that names ``codec`` for a damaged table.
    """
    precision = reader.read(2)
    return [to_weights(_read_run(reader, codec=codec), precision=precision) for _ in range(num_sides)]


def to_weights(levels: Sequence[int], *, precision: int) -> list[int]:
    """Return the integer weight of each level, 0 for level 0."""
    fine = [(level - 1) << (_PRECISIONS[-1] - precision) for level in levels]
    return [0 if step < 0 else _EIGHTHS[step % 8] << (step // 8) for step in fine]


def propose_tables(sides: Sequence[NDArray[np.int64]]) -> Iterator[tuple[str, list[list[int]]]]:
    """Yield candidate tables for the counts ``[256]`` of each side: (bits as text, weights that a reader gets)."""
    for precision in _PRECISIONS:
        proposals = [[_quantize(counts, precision=precision) for counts in sides]]
        if len(sides) == 1:
            # A geometric distribution needs only its slope, which is the best choice for a tensor with few values.
            proposals += [[line] for line in _lines(sides[0])]
        for levels in proposals:
            if max(map(max, levels)) > _MAX_LEVEL:
                continue
            writer = BitWriter()
            writer.write(precision, 2)
            for side in levels:
                _write_run(writer, side)
            yield writer.text, [to_weights(side, precision=precision) for side in levels]


def _quantize(counts: NDArray[np.int64], *, precision: int) -> list[int]:
    levels = 1 + np.rint(np.log2(np.maximum(counts, 1)) * (1 << precision)).astype(np.int64)
    return np.where(counts > 0, levels, 0).tolist()


def _lines(counts: NDArray[np.int64]) -> Iterator[list[int]]:
    occurring = np.flatnonzero(counts)
    if len(occurring) < 2:
        return
    start, stop = int(occurring[0]), int(occurring[-1]) + 1
    for slope in _SLOPES.tolist():
        # The lowest level becomes 1, because only differences of levels matter.
        first = 1 + max(0, -slope * (stop - start - 1))
        line = [first + slope * step for step in range(stop - start)]
        yield [0] * start + line + [0] * (len(counts) - stop)


def _write_run(writer: BitWriter, levels: list[int]) -> None:
    occurring = np.flatnonzero(levels)
    writer.write(int(len(occurring) > 0), 1)
    if not len(occurring):
        return
    start, stop = int(occurring[0]), int(occurring[-1]) + 1
    writer.write(stop - 1, 8)
    writer.write_gamma(start + 1)
    writer.write(levels[start], 8)
    if stop - start == 1:
        return
    # [slopes, residuals] as unsigned numbers, then their sizes in bits, [k, slopes].
    residuals = np.diff(levels[start:stop])[None, :] - _SLOPES[:, None]
    unsigned = np.where(residuals < 0, -2 * residuals - 1, 2 * residuals)
    sizes = np.stack([(unsigned >> k).sum(axis=1) + (k + 1) * unsigned.shape[1] for k in range(_NO_RESIDUALS)])
    k, slope = divmod(int(sizes.argmin()), len(_SLOPES))
    exact = np.flatnonzero(~unsigned.any(axis=1))
    if len(exact):
        k, slope = _NO_RESIDUALS, int(exact[0])
    writer.write(k, 3)
    writer.write(slope, 5)
    if k < _NO_RESIDUALS:
        for number in unsigned[slope].tolist():
            writer.write((2 << (number >> k)) - 2, (number >> k) + 1)
            writer.write(number & ((1 << k) - 1), k)


def _read_run(reader: BitReader, *, codec: str) -> list[int]:
    levels = [0] * MAX_SYMBOL
    if not reader.read(1):
        return levels
    stop = reader.read(8) + 1
    start = reader.read_gamma(limit=stop) - 1
    level = levels[start] = reader.read(8)
    if stop - start == 1:
        return levels
    k, slope = reader.read(3), int(_SLOPES[reader.read(5)])
    for symbol in range(start + 1, stop):
        number = 0
        if k < _NO_RESIDUALS:
            # A residual is a difference of two levels less a slope; as a zigzag number it stays below this limit.
            number = reader.read_unary(bit=1, limit=(4 * _MAX_LEVEL) >> k) << k
            number |= reader.read(k)
        level += slope + (-(number + 1) // 2 if number % 2 else number // 2)
        if not 0 <= level <= _MAX_LEVEL:
            raise ArtifactError(f"damaged: {codec} codec has a frequency outside its range")
        levels[symbol] = level
    return levels
