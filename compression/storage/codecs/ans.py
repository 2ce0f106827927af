"""The ans codec: asymmetric numeral systems with a static frequency table for each tensor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import constriction
import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, flatten, is_stored, num_values
from compression.storage.codecs.bit_packing import BitReader, BitWriter
from compression.storage.codecs.frequency_table import propose_tables, read_table

_INT8 = np.dtype(np.int8)
# Symbols are coded in chunks, because as 32-bit numbers they take four times the memory of int8.
_CHUNK = 1 << 20
_SHARE_BITS = 32
# From this number of values on, only tables are allowed whose stream is within this factor of the entropy, even where a
# coarser table would save some bytes.
_LARGE = 10_000
_NEAR_ENTROPY = 1.002


@dataclass(frozen=True)
class _Plane:
    """A sequence of ``num`` bytes with one model: an integer weight for each byte value, 0 if it never occurs."""

    num: int
    weights: list[int]

    @property
    def symbols(self) -> NDArray[np.uint8]:
        """The byte values that occur, in ascending order."""
        return np.flatnonzero(np.array([weight > 0 for weight in self.weights])).astype(np.uint8)

    @property
    def min_bits(self) -> float:
        """A lower bound of the coded size, in bits."""
        # The coder's probabilities are multiples of 2**-24.
        return -self.num * math.log2(min(1.0, max(self.weights) / max(sum(self.weights), 1) + 2**-22))


class AnsCodec:
    """An entropy code with a static table: a head of bits, uncoded byte planes, and one ANS stream.

    The head is written highest bit first and padded with zeros to a full byte. It begins with the number of stored
    values (those with any bit set), in the fewest bits that hold numel. If that number is 0, nothing follows.

    int8: The head continues with a bit, 1 = symmetric, and a table (``storage.codecs.frequency_table``). A symmetric
    table has one side, whose symbol m is the magnitude m of either sign (128: only -128). Otherwise the table has two
    sides, first the positive and then the negative values. The stream holds every value as its byte. The share of 0
    follows from the numbers of values; the weights of the table divide the rest.

    Other types: For each byte of a little-endian value, the lowest byte first, the head has a bit, 1 = coded. A coded
    byte is followed by a table of one side, whose symbol m is the byte m - 1. After the head come the byte planes of
    the stored values that are not coded. The stream holds, for every value, whether it is stored, as byte 0 or 1, and
    after that the coded planes.

    Shares are integers. For the value 0 of int8 the share is ``floor(2**32 * zeros / numel)``. For its other values it
    is ``floor(2**32 * stored * weight / (numel * sum of weights))``; planes use the same formula with stored = numel.
    For the flags of stored values, the shares are the numbers of zeros and of stored values themselves. Every byte that
    occurs has a share of at least 1.

    The stream is that of ``constriction`` 0.5: an ``AnsCoder`` with a ``Categorical`` model, ``perfect=False``, of the
    shares as float64, in the order of unsigned bytes and without the bytes that do not occur. Decoding gives the values
    in C order. A plane in which only one byte occurs takes no space. The 32-bit words are little endian, without the
    zero bytes at the very end.
    """

    name = "ans"
    working_bytes = 12

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return head, uncoded byte planes and stream."""
        flat = flatten(array)
        mask = is_stored(flat)
        num_stored = int(np.count_nonzero(mask))
        head = BitWriter()
        head.write(num_stored, flat.size.bit_length())
        if not num_stored:
            return head.to_bytes()
        if flat.dtype == _INT8:
            values = flat.view(np.uint8)
            table, weights = _choose_int8_table(np.bincount(values, minlength=256))
            head.text += table
            return head.to_bytes() + _encode_stream([(values, _Plane(flat.size, weights))])
        plain = []
        coded = [(mask.view(np.uint8), _significance(flat.size, num_stored))]
        for plane in flat[mask].view(np.uint8).reshape(num_stored, flat.dtype.itemsize).T:
            table, weights, size = _choose_plane_table(np.bincount(plane, minlength=256))
            is_coded = size < 8 * num_stored
            head.write(int(is_coded), 1)
            if is_coded:
                head.text += table
                coded.append((plane, _Plane(num_stored, weights)))
            else:
                plain.append(plane.tobytes())
        return head.to_bytes() + b"".join(plain) + _encode_stream(coded)

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when head, planes and stream do not fit each other."""
        numel = num_values(shape)
        num_stored, planes, start = self._read_head(data, numel=numel, dtype=dtype)
        if not num_stored:
            if len(data) != start:
                raise ArtifactError(f"damaged: ans codec has {len(data)} bytes where an array of zeros has {start}")
            return np.zeros(shape, dtype=dtype)
        if dtype == _INT8:
            assert planes[0] is not None
            (values,) = _decode_stream(data[start:], [planes[0]])
            _check_stored(values, num_stored=num_stored)
            return values.view(np.int8).reshape(shape)
        plain_bytes = num_stored * planes.count(None)
        if len(data) < start + plain_bytes:
            raise ArtifactError(f"damaged: ans codec has {len(data)} bytes, too few for its plain planes")
        coded = [_significance(numel, num_stored), *(plane for plane in planes if plane is not None)]
        mask, *decoded = _decode_stream(data[start + plain_bytes :], coded)
        _check_stored(mask, num_stored=num_stored)
        stored = np.empty((num_stored, dtype.itemsize), dtype=np.uint8)
        for column, plane in enumerate(planes):
            if plane is None:
                stored[:, column] = np.frombuffer(data, dtype=np.uint8, count=num_stored, offset=start)
                start += num_stored
            else:
                stored[:, column] = decoded.pop(0)
        values = stored.view(dtype.newbyteorder("<")).reshape(-1)
        if not is_stored(values).all():
            raise ArtifactError("damaged: ans codec has a zero among the stored values")
        flat = np.zeros(numel, dtype=dtype)
        flat[mask.view(np.bool_)] = values
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the head as side information and the rest as values, because the code merges values and positions."""
        _, _, start = self._read_head(data, numel=num_values(shape), dtype=dtype)
        return Parts(values=len(data) - start, side=start)

    def _read_head(self, data: bytes, *, numel: int, dtype: np.dtype) -> tuple[int, list[_Plane | None], int]:
        reader = BitReader(data, codec=self.name)
        num_stored = reader.read(numel.bit_length())
        if num_stored > numel:
            raise ArtifactError(f"damaged: ans codec has {num_stored} stored values where the shape has {numel}")
        planes: list[_Plane | None] = []
        if num_stored and dtype == _INT8:
            symmetric = reader.read(1) == 1
            sides = read_table(reader, num_sides=1 if symmetric else 2, codec=self.name)
            weights = _int8_weights(sides, numel=numel, num_stored=num_stored)
            planes.append(_Plane(numel, weights))
            if not any(weights[1:]):
                raise ArtifactError("damaged: ans codec has a table without symbols")
        elif num_stored:
            for _ in range(dtype.itemsize):
                if not reader.read(1):
                    planes.append(None)
                    continue
                (side,) = read_table(reader, num_sides=1, codec=self.name)
                if not any(side):
                    raise ArtifactError("damaged: ans codec has a table without symbols")
                planes.append(_Plane(num_stored, _to_shares(side, part=1, whole=1)))
        return num_stored, planes, reader.finish()


def _choose_int8_table(counts: NDArray[np.int64]) -> tuple[str, list[int]]:
    """Return the bits of the best table for ``counts: [256]`` of byte values, and the weights of the byte values.

    The best table is the one with the smallest sum of table and stream. For large tensors, only tables whose stream is
    near the entropy are considered.
    """
    numel, num_stored = int(counts.sum()), int(counts[1:].sum())
    positive, negative = np.zeros(256, dtype=np.int64), np.zeros(256, dtype=np.int64)
    positive[:127] = counts[1:128]
    negative[:128] = counts[:127:-1]
    candidates = []
    for flag, sides in (("1", [positive + negative]), ("0", [positive, negative])):
        for table, weights in propose_tables(sides):
            shares = _int8_weights(weights, numel=numel, num_stored=num_stored)
            candidates.append((_stream_bits(counts, shares), flag + table, shares))
    limit = _NEAR_ENTROPY * _stream_bits(counts, counts.tolist())
    near = [candidate for candidate in candidates if candidate[0] <= limit] if numel >= _LARGE else []
    _, table, shares = min(near or candidates, key=lambda candidate: candidate[0] + len(candidate[1]))
    return table, shares


def _choose_plane_table(counts: NDArray[np.int64]) -> tuple[str, list[int], float]:
    """Return the table with the smallest sum of table and stream, the weights of byte values, and the sum in bits."""
    candidates = []
    for table, (side,) in propose_tables([counts]):
        shares = _to_shares(side, part=1, whole=1)
        candidates.append((len(table) + _stream_bits(counts, shares), table, shares))
    size, table, shares = min(candidates, key=lambda candidate: candidate[0])
    return table, shares, size


def _int8_weights(sides: Sequence[list[int]], *, numel: int, num_stored: int) -> list[int]:
    if len(sides) == 1:
        (side,) = sides
        weights = [0, *side[:128], *reversed(side[:127])]
        allowed = [128]
    else:
        positive, negative = sides
        weights = [0, *positive[:127], *reversed(negative[:128])]
        allowed = [127, 128]
    if any(any(side[limit:]) for side, limit in zip(sides, allowed, strict=True)):
        raise ArtifactError("damaged: ans codec has a table of values that int8 does not have")
    weights = _to_shares(weights, part=num_stored, whole=numel)
    zeros = numel - num_stored
    weights[0] = max((zeros << _SHARE_BITS) // numel, 1) if zeros else 0
    return weights


def _to_shares(weights: list[int], *, part: int, whole: int) -> list[int]:
    # The shares stay below 2**53, so they and their sums are exact as floats, in any order.
    total = sum(weights)
    return [max((weight * part << _SHARE_BITS) // (whole * total), 1) if weight else 0 for weight in weights]


def _significance(numel: int, num_stored: int) -> _Plane:
    return _Plane(numel, [numel - num_stored, num_stored] + [0] * 254)


def _stream_bits(counts: NDArray[np.int64], weights: list[int]) -> float:
    occurring = counts > 0
    shares = np.array(weights, dtype=np.float64)
    return float((counts[occurring] * np.log2(shares.sum() / shares[occurring])).sum())


def _encode_stream(planes: Sequence[tuple[NDArray[np.uint8], _Plane]]) -> bytes:
    coder = constriction.stream.stack.AnsCoder()
    # The coder is a stack, so the plane that is read first is written last.
    for values, plane in reversed(planes):
        symbols = plane.symbols
        if len(symbols) < 2:
            continue
        model = _to_model(plane)
        ranks = np.zeros(256, dtype=np.int32)
        ranks[symbols] = np.arange(len(symbols))
        for start in reversed(range(0, plane.num, _CHUNK)):
            coder.encode_reverse(ranks[values[start : start + _CHUNK]], model)
    return bytes(coder.get_compressed().astype("<u4").tobytes()).rstrip(b"\x00")


def _decode_stream(data: bytes, planes: Sequence[_Plane]) -> list[NDArray[np.uint8]]:
    # Zero bytes at the end are never written. Without them the last word is not zero, which the coder requires.
    if data.endswith(b"\x00"):
        raise ArtifactError("damaged: ans codec has a zero byte after its stream")
    if 8 * len(data) + 64 < sum(plane.min_bits for plane in planes):
        raise ArtifactError(f"damaged: ans codec has {len(data)} bytes of stream, too few for the shape")
    words = np.frombuffer(data + b"\x00" * (-len(data) % 4), dtype="<u4").astype(np.uint32)
    coder = constriction.stream.stack.AnsCoder(words)
    decoded = []
    for plane in planes:
        symbols = plane.symbols
        if len(symbols) < 2:
            decoded.append(np.full(plane.num, symbols[0], dtype=np.uint8))
            continue
        model = _to_model(plane)
        values = np.empty(plane.num, dtype=np.uint8)
        for start in range(0, plane.num, _CHUNK):
            chunk = values[start : start + _CHUNK]
            chunk[:] = symbols[coder.decode(model, len(chunk))]
        decoded.append(values)
    if not coder.is_empty():
        raise ArtifactError("damaged: ans codec has a stream that does not end with its last value")
    return decoded


def _to_model(plane: _Plane) -> constriction.stream.model.Categorical:
    shares = np.array(plane.weights, dtype=np.float64)
    return constriction.stream.model.Categorical(shares[shares > 0], perfect=False)


def _check_stored(values: NDArray[np.uint8], *, num_stored: int) -> None:
    actual = int(np.count_nonzero(values))
    if actual != num_stored:
        raise ArtifactError(f"damaged: ans codec has {actual} stored values where its head says {num_stored}")
