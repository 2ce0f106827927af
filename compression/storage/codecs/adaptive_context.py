"""The context codec: an adaptive entropy coder for int8 weights, which learns the density of rows and columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, num_values
from compression.storage.context_model import code_magnitudes, code_mask
from compression.storage.entropy_coder import Coder, Decoder, Encoder

_INT8 = np.dtype(np.int8)
# Larger arrays are stored uncompressed, so that a few damaged bytes cannot cost hours and terabytes.
_MAX_VALUES = 1 << 28
_MAX_COLUMNS = 1 << 16
_MAX_MAGNITUDE = 128


class ContextCodec:
    """An adaptive entropy code for int8: a head, then the mask of stored values, then their magnitudes and signs.

    An array [O, I, ...] is treated as a matrix of O rows and I * K columns, with K the number of kernel positions.
    Arrays with fewer dimensions get leading dimensions of 1.

    The head holds the number of stored values, which are those that are not zero. If there are any, the largest
    magnitude M follows; if M is above 1, a mean and ``maxima`` follow (see below). Last is the number of bytes of the
    mask. All are base-128 numbers, lowest digit first, with 128 added to every byte but the last.

    Two streams of ``entropy_coder`` follow the head. The first one is the mask, coded by ``context_model.code_mask``.
    The second one holds the magnitudes, and its tail holds the signs: one bit per stored value (1 = negative) and a
    final 1, lowest bit first.

    Magnitudes are coded in C order, and only if M is above 1. If each row was quantized with its own scale, most rows
    have M once. ``maxima`` is then above 0, and the first M of each row is coded separately, before everything else.
    Among the rows with stored values, ``maxima - 1`` do not have M. If ``maxima`` is above 1, a bit for each row says
    whether it has M; the weights of its distribution are the numbers of rows without and with M. For each row with M
    and more than one value, the position of the first M in the row follows. ``context_model.code_magnitudes`` codes all
    other magnitudes, less 1. The mean in the head is their mean, in eighths and at least 1.

    Arrays of more than 2**28 values are stored uncompressed.
    """

    name = "context"
    working_bytes = 40

    def accepts(self, dtype: np.dtype) -> bool:
        """Return whether ``dtype`` is int8."""
        return bool(dtype == _INT8)

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return head, mask, magnitudes and signs; raises ValueError for a type other than int8."""
        if array.dtype != _INT8:
            raise ValueError(f"context codec stores int8, not {array.dtype}")
        flat = flatten(array).view(np.int8)
        if flat.size > _MAX_VALUES:
            return flat.tobytes()
        shape = _to_matrix(array.shape)
        mask = (flat != 0).astype(np.uint8).reshape(shape[0], shape[1] * shape[2])
        values = flat[flat != 0]
        index = Encoder()
        code_mask(index, shape=shape, num_stored=values.size, truth=mask)
        index_bytes = index.to_bytes()
        # int16, because the magnitude of -128 does not fit into int8.
        magnitudes = np.abs(values.astype(np.int16)).astype(np.uint8)
        per_row = np.count_nonzero(mask, axis=1)
        head = _Head(num_stored=values.size, num_index_bytes=len(index_bytes))
        if values.size:
            head = _plan(magnitudes, per_row=per_row, num_index_bytes=len(index_bytes))
        coder = Encoder()
        _code_values(coder, head, per_row=per_row, truth=magnitudes)
        # The coder drops zero bytes at the end; the 1 after the last sign protects zero bits before it.
        signs = np.packbits(np.append(values < 0, True), bitorder="little").tobytes() if values.size else b""
        return head.to_bytes() + index_bytes + coder.to_bytes(tail=signs)

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` is not what ``encode`` writes."""
        if dtype != _INT8:
            raise ArtifactError(f"damaged: context codec cannot hold {dtype} values; allowed: int8")
        numel = num_values(shape)
        if numel > _MAX_VALUES:
            check_num_bytes(len(data), expected=numel, codec=self.name)
            return np.frombuffer(data, dtype=np.int8).reshape(shape).copy()
        head, head_bytes = _read_head(data, numel=numel)
        if head_bytes + head.num_index_bytes > len(data):
            raise ArtifactError(f"damaged: context codec has {len(data)} bytes, but its mask ends after them")
        body = data[head_bytes:]
        index = Decoder(body[: head.num_index_bytes], codec=self.name)
        mask = code_mask(index, shape=_to_matrix(shape), num_stored=head.num_stored, truth=None)
        index.finish()
        per_row = np.count_nonzero(mask, axis=1)
        if int(per_row.sum()) != head.num_stored:
            raise ArtifactError(
                f"damaged: context codec has {per_row.sum()} values where its head says {head.num_stored}"
            )
        values = Decoder(body[head.num_index_bytes :], codec=self.name)
        magnitudes = _code_values(values, head, per_row=per_row, truth=None)
        tail = values.finish(tail_bytes=head.num_stored // 8 + 1 if head.num_stored else 0)
        negative = _read_signs(tail, num=head.num_stored)
        if ((magnitudes == _MAX_MAGNITUDE) & ~negative).any():
            raise ArtifactError("damaged: context codec has a value of 128")
        # uint8 arithmetic is modulo 256, so negation gives two's complement.
        signed = np.where(negative, -magnitudes, magnitudes).view(np.int8)
        flat = np.zeros(numel, dtype=np.int8)
        # Indices are many times faster here than a mask with few values set.
        flat[np.flatnonzero(mask.reshape(-1).view(np.bool_))] = signed
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the mask as index, magnitudes and signs as values, and the head as side information."""
        del dtype
        if num_values(shape) > _MAX_VALUES:
            return Parts(values=len(data))
        head, head_bytes = _read_head(data, numel=num_values(shape))
        values = len(data) - head_bytes - head.num_index_bytes
        return Parts(values=values, index=head.num_index_bytes, side=head_bytes)


@dataclass(frozen=True)
class _Head:
    """The numbers before the coded values; see the docstring of the codec for their order."""

    num_stored: int
    num_index_bytes: int
    largest: int = 0
    mean_eighths: int = 1
    maxima: int = 0

    def to_bytes(self) -> bytes:
        """Return the head as bytes, for ``_read_head``."""
        numbers = [self.num_stored]
        numbers += [self.largest] if self.num_stored else []
        numbers += [self.mean_eighths, self.maxima] if self.largest > 1 else []
        return b"".join(map(_to_varint, [*numbers, self.num_index_bytes]))


def _read_head(data: bytes, *, numel: int) -> tuple[_Head, int]:
    """Return the head and its number of bytes; raises ArtifactError for a number out of its range."""
    largest, mean_eighths, maxima = 0, 1, 0
    num_stored, end = _read_varint(data, start=0, low=0, high=numel)
    if num_stored:
        largest, end = _read_varint(data, start=end, low=1, high=_MAX_MAGNITUDE)
    if largest > 1:
        mean_eighths, end = _read_varint(data, start=end, low=1, high=8 * _MAX_MAGNITUDE)
        maxima, end = _read_varint(data, start=end, low=0, high=num_stored)
    num_index_bytes, end = _read_varint(data, start=end, low=0, high=len(data))
    return _Head(num_stored, num_index_bytes, largest, mean_eighths, maxima), end


def _to_matrix(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the numbers of output channels, input channels and kernel positions; a vector is one row."""
    if num_values(shape) == 0:
        # A damaged shape could claim any number of empty rows.
        return 0, 0, 0
    rows, columns, *kernel = (1,) * (2 - len(shape)) + shape
    return rows, columns, num_values(tuple(kernel))


def _plan(magnitudes: NDArray[np.uint8], *, per_row: NDArray[np.int64], num_index_bytes: int) -> _Head:
    """Return the head for ``magnitudes: [N]`` with N at least 1; decides whether first maxima are coded separately."""
    largest = int(magnitudes.max())
    is_largest = magnitudes == largest
    num_largest, num_rows = int(is_largest.sum()), int(np.count_nonzero(per_row))
    with_largest = np.unique(np.repeat(np.arange(per_row.size), per_row)[is_largest]).size
    apart = 2 * with_largest >= max(num_largest, num_rows) and int(per_row.max()) <= _MAX_COLUMNS
    total, rest = int(magnitudes.sum(dtype=np.int64)) - magnitudes.size, magnitudes.size
    if apart:
        total, rest = total - with_largest * (largest - 1), rest - with_largest
    eighths = max(1, round(8 * total / rest)) if rest else 1
    return _Head(magnitudes.size, num_index_bytes, largest, eighths, 1 + num_rows - with_largest if apart else 0)


def _code_values(
    coder: Coder, head: _Head, *, per_row: NDArray[np.int64], truth: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """Code the magnitudes of the stored values and return them; ``per_row: [O]`` counts the values of each row."""
    magnitudes = np.full(head.num_stored, head.largest, dtype=np.uint8)
    if head.largest <= 1:
        return magnitudes
    rows = np.repeat(np.arange(per_row.size), per_row)
    rest = np.arange(head.num_stored)
    if head.maxima:
        rest = np.delete(rest, _code_maxima(coder, head, per_row=per_row, rows=rows, truth=truth))
    known = None if truth is None else truth[rest] - np.uint8(1)
    coded = code_magnitudes(
        coder,
        rows=rows[rest],
        num_rows=per_row.size,
        num_values=head.largest,
        mean=head.mean_eighths / 8,
        truth=known,
    )
    magnitudes[rest] = coded + np.uint8(1)
    return magnitudes


def _code_maxima(
    coder: Coder,
    head: _Head,
    *,
    per_row: NDArray[np.int64],
    rows: NDArray[np.int64],
    truth: NDArray[np.uint8] | None,
) -> NDArray[np.int64]:
    """Code the first value of the largest magnitude in each row; return their indices among the stored values."""
    filled = np.flatnonzero(per_row)
    starts = (np.cumsum(per_row) - per_row)[filled]
    has, ranks = None, None
    if truth is not None:
        largest = np.flatnonzero(truth == head.largest)
        having, first = np.unique(rows[largest], return_index=True)
        has = np.isin(filled, having).astype(np.uint8)
        ranks = largest[first] - starts[has > 0]
    without = head.maxima - 1
    if without >= filled.size:
        raise ArtifactError(
            f"damaged: context codec has {filled.size} rows with values, but {without} rows without the largest"
        )
    chosen = np.ones(filled.size, dtype=np.bool_)
    if without:
        weights = np.array([without, filled.size - without], dtype=np.float64)
        chosen = coder.code(weights, num=filled.size, truth=has).astype(np.bool_)
    sizes = per_row[filled][chosen]
    if sizes.size and int(sizes.max()) > _MAX_COLUMNS:
        raise ArtifactError(f"damaged: context codec has a row of {sizes.max()} values with its largest apart")
    several = sizes > 1
    result = starts[chosen]
    result[several] += coder.code_uniform(sizes[several], truth=None if ranks is None else ranks[several])
    return result


def _read_signs(data: bytes, *, num: int) -> NDArray[np.bool_]:
    """Return ``[N]``, True for negative values; raises ArtifactError unless a single 1 ends the signs."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if num and (bits[num] != 1 or bits[num + 1 :].any()):
        raise ArtifactError("damaged: context codec has no end after the last sign")
    return bits[:num].view(np.bool_)


def _to_varint(number: int) -> bytes:
    """Return ``number`` in base 128, lowest digit first, with 128 added to every byte but the last."""
    digits = bytearray()
    while number >= 128:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])


def _read_varint(data: bytes, *, start: int, low: int, high: int) -> tuple[int, int]:
    """Return a number from ``low`` to ``high`` and the position after it; raises ArtifactError for any other number."""
    number = 0
    for place in range(start, min(start + 5, len(data))):
        number += (data[place] % 128) << (7 * (place - start))
        if data[place] < 128:
            if low <= number <= high:
                return number, place + 1
            break
    raise ArtifactError(f"damaged: context codec has no number from {low} to {high} at byte {start}")
