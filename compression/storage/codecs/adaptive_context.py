"""Quantized weights by an entropy coder that learns, while it goes, which rows and columns are dense or large."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, num_values
from compression.storage.context_model import code_magnitudes, code_mask
from compression.storage.entropy_coder import Coder, Decoder, Encoder

_INT8 = np.dtype(np.int8)
# Larger ones are stored as they are: a few damaged bytes must not ask for hours and terabytes.
_MAX_VALUES = 1 << 28
_MAX_COLUMNS = 1 << 16
_MAX_MAGNITUDE = 128


class ContextCodec:
    """A head, where the values are, their magnitudes, their signs; int8 alone.

    An array [O, I, ...] is a matrix of O rows and I * K columns (fewer dimensions: with ones before).

    The head: the number of stored values; if there are any, the largest magnitude M; if that is over 1, a mean and
    ``maxima`` (below); always the number of bytes of the mask. All of them are base-128 numbers, lowest digits first,
    128 added to all bytes but the last. Then two streams as in ``entropy_coder``: the mask, as
    ``context_model.code_mask`` codes it; and the magnitudes, with the signs for their tail: a bit a stored value and
    a 1 (lowest first, 1 = negative).

    Magnitudes, in C order, are coded only where M is over 1. ``maxima`` over 0: most rows have M once, as rows
    with a scale each do, so these are coded apart, first of all: for the rows with stored values, of which
    ``maxima - 1`` do not have M, a bit that says whether they do (if ``maxima`` is over 1; the weights are the numbers
    of rows without and with); then, for the rows with M and more than one value, which value is its first M. The other
    magnitudes less 1 are coded by ``context_model.code_magnitudes``; the mean in the head is theirs, in eighths and at
    least 1.

    Arrays of more than 2**28 values are stored as they are.
    """

    name = "context"
    working_bytes = 40

    def accepts(self, dtype: np.dtype) -> bool:
        """Return whether ``dtype`` is int8."""
        return bool(dtype == _INT8)

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return head, mask, magnitudes and signs."""
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
        # int16, as the magnitude of -128 is no int8.
        magnitudes = np.abs(values.astype(np.int16)).astype(np.uint8)
        per_row = np.count_nonzero(mask, axis=1)
        head = _Head(num_stored=values.size, num_index_bytes=len(index_bytes))
        if values.size:
            head = _plan(magnitudes, per_row=per_row, num_index_bytes=len(index_bytes))
        coder = Encoder()
        _code_values(coder, head, per_row=per_row, truth=magnitudes)
        # The 1 after the last sign keeps zeros before it from being taken for the end.
        signs = np.packbits(np.append(values < 0, True), bitorder="little").tobytes() if values.size else b""
        return head.to_bytes() + index_bytes + coder.to_bytes(tail=signs)

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` is not what ``encode`` writes."""
        if dtype != _INT8:
            raise ArtifactError(f"damaged: context codec has no {dtype} values; allowed: int8")
        numel = num_values(shape)
        if numel > _MAX_VALUES:
            check_num_bytes(len(data), expected=numel, codec=self.name)
            return np.frombuffer(data, dtype=np.int8).reshape(shape).copy()
        head, head_bytes = _read_head(data, numel=numel)
        if head_bytes + head.num_index_bytes > len(data):
            raise ArtifactError(f"damaged: context codec has {len(data)} bytes, its mask ends after them")
        body = data[head_bytes:]
        index = Decoder(body[: head.num_index_bytes], codec=self.name)
        mask = code_mask(index, shape=_to_matrix(shape), num_stored=head.num_stored, truth=None)
        index.finish()
        per_row = np.count_nonzero(mask, axis=1)
        if int(per_row.sum()) != head.num_stored:
            raise ArtifactError(f"damaged: context codec has {per_row.sum()} values, {head.num_stored} announced")
        values = Decoder(body[head.num_index_bytes :], codec=self.name)
        magnitudes = _code_values(values, head, per_row=per_row, truth=None)
        tail = values.finish(tail_bytes=head.num_stored // 8 + 1 if head.num_stored else 0)
        negative = _read_signs(tail, num=head.num_stored)
        if ((magnitudes == _MAX_MAGNITUDE) & ~negative).any():
            raise ArtifactError("damaged: context codec has a value of 128")
        # Modulo 256, which is two's complement.
        signed = np.where(negative, -magnitudes, magnitudes).view(np.int8)
        flat = np.zeros(numel, dtype=np.int8)
        # By numbers, which is many times faster than by a mask that is rarely set.
        flat[np.flatnonzero(mask.reshape(-1).view(np.bool_))] = signed
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the mask, magnitudes and signs, and the head."""
        del dtype
        if num_values(shape) > _MAX_VALUES:
            return Parts(values=len(data))
        head, head_bytes = _read_head(data, numel=num_values(shape))
        values = len(data) - head_bytes - head.num_index_bytes
        return Parts(values=values, index=head.num_index_bytes, side=head_bytes)


@dataclass(frozen=True)
class _Head:
    """What stands before the coded values; the class docstring of the codec has the order."""

    num_stored: int
    num_index_bytes: int
    largest: int = 0
    mean_eighths: int = 1
    maxima: int = 0

    def to_bytes(self) -> bytes:
        """Return the numbers that ``_read_head`` reads."""
        numbers = [self.num_stored]
        numbers += [self.largest] if self.num_stored else []
        numbers += [self.mean_eighths, self.maxima] if self.largest > 1 else []
        return b"".join(map(_to_varint, [*numbers, self.num_index_bytes]))


def _read_head(data: bytes, *, numel: int) -> tuple[_Head, int]:
    """Return the head and its number of bytes; raises ArtifactError."""
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
    """Return output channels, input channels, kernel positions; a vector is one row."""
    if num_values(shape) == 0:
        # However many rows of nothing there are.
        return 0, 0, 0
    rows, columns, *kernel = (1,) * (2 - len(shape)) + shape
    return rows, columns, num_values(tuple(kernel))


def _plan(magnitudes: NDArray[np.uint8], *, per_row: NDArray[np.int64], num_index_bytes: int) -> _Head:
    """Return the head for ``magnitudes: [N]``, N at least 1."""
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
    """Return the magnitudes of the stored values, ``per_row: [O]`` of them in each row."""
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
    """Return which of the stored values are the first of the largest magnitude in their rows."""
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
            f"damaged: context codec has {filled.size} rows with values, {without} of them without the largest"
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
    """Return for each value whether it is negative; raises ArtifactError."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if num and (bits[num] != 1 or bits[num + 1 :].any()):
        raise ArtifactError("damaged: context codec has no end after the last sign")
    return bits[:num].view(np.bool_)


def _to_varint(number: int) -> bytes:
    """Return ``number`` to the base of 128, lowest digit first, with 128 added to all but the last."""
    digits = bytearray()
    while number >= 128:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])


def _read_varint(data: bytes, *, start: int, low: int, high: int) -> tuple[int, int]:
    """Return a number from ``low`` to ``high`` and where it ends; raises ArtifactError."""
    number = 0
    for place in range(start, min(start + 5, len(data))):
        number += (data[place] % 128) << (7 * (place - start))
        if data[place] < 128:
            if low <= number <= high:
                return number, place + 1
            break
    raise ArtifactError(f"damaged: context codec has no number from {low} to {high} at byte {start}")
