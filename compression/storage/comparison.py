"""A comparison of all codecs on the same weights: bytes, seconds, and the break-even sparsity against dense storage."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec_registry import CODECS, DENSE

# The number of values in a sweep over sparsity: enough for stable sizes, and few enough to be fast.
_SAMPLE = 300_000
GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class CodecResult:
    """The size and speed of one codec on all arrays together.

    ``curve`` holds bits per value at each sparsity of ``GRID``. ``break_even`` is the lowest sparsity from which on the
    codec stays smaller than dense storage; None if it never does.
    """

    codec: str
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    curve: tuple[float, ...]
    break_even: float | None


def compare_codecs(arrays: Mapping[str, NDArray[Any]]) -> list[CodecResult]:
    """Return one result for each codec that accepts the type of ``arrays``: weights of one type, of any shapes."""
    sample = _take(arrays)
    sparse = [[prune(array, sparsity) for array in sample] for sparsity in GRID]
    numel = sum(array.size for array in sample)
    dense = _curve(DENSE.name, sparse, numel)
    results = []
    for name, codec in CODECS.items():
        if not all(codec.accepts(array.dtype) for array in arrays.values()):
            continue
        start = time.perf_counter()
        encoded = {key: codec.encode(array) for key, array in arrays.items()}
        encoding = time.perf_counter() - start
        start = time.perf_counter()
        for key, array in arrays.items():
            codec.decode(encoded[key], shape=array.shape, dtype=array.dtype)
        decoding = time.perf_counter() - start
        curve = dense if name == DENSE.name else _curve(name, sparse, numel)
        num_bytes = sum(map(len, encoded.values()))
        results.append(CodecResult(name, num_bytes, encoding, decoding, curve, find_break_even(curve, dense)))
    return results


def prune(array: NDArray[Any], sparsity: float) -> NDArray[Any]:
    """Return a copy of ``array`` in which the fraction ``sparsity`` of smallest magnitudes is zero; ties in C order."""
    flat = array.reshape(-1).copy()
    order = np.argsort(np.abs(flat.astype(np.float64)), kind="stable")
    flat[order[: round(sparsity * flat.size)]] = 0
    return flat.reshape(array.shape)


def find_break_even(curve: Sequence[float], dense: Sequence[float]) -> float | None:
    """Return the sparsity from which on ``curve`` stays below ``dense``, interpolated linearly in ``GRID``, or None."""
    excess = [one - other for one, other in zip(curve, dense, strict=True)]
    if excess[-1] >= 0:
        return None
    last = max((index for index, value in enumerate(excess) if value >= 0), default=None)
    if last is None:
        return GRID[0]
    share = excess[last] / (excess[last] - excess[last + 1])
    return GRID[last] + share * (GRID[last + 1] - GRID[last])


def _curve(name: str, sparse: Sequence[Sequence[NDArray[Any]]], numel: int) -> tuple[float, ...]:
    codec = CODECS[name]
    return tuple(8 * sum(len(codec.encode(array)) for array in arrays) / max(1, numel) for arrays in sparse)


def _take(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return the leading rows of every array, about ``_SAMPLE`` values in total."""
    share = min(1.0, _SAMPLE / max(1, sum(array.size for array in arrays.values())))
    return [array[: max(1, round(share * len(array)))] for array in arrays.values() if array.size]
