"""All codecs on the same weights: bytes, seconds, and the sparsity from which each one beats dense storage."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec_registry import CODECS, DENSE

# What sweeps over sparsity work on: enough for stable sizes, and soon done.
_SAMPLE = 300_000
GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class CodecResult:
    """What a codec makes of all arrays together; ``curve`` is bits a value at each sparsity of ``GRID``.

    ``break_even``: the lowest sparsity from which on it is smaller than dense; None if at none.
    """

    codec: str
    num_bytes: int
    encode_seconds: float
    decode_seconds: float
    curve: tuple[float, ...]
    break_even: float | None


def compare_codecs(arrays: Mapping[str, NDArray[Any]]) -> list[CodecResult]:
    """Return a result for each codec that takes the type of ``arrays``: weights of one type, any shapes."""
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
    """Return ``array`` with the smallest magnitudes set to zero until ``sparsity`` of the values are; ties in order."""
    flat = array.reshape(-1).copy()
    order = np.argsort(np.abs(flat.astype(np.float64)), kind="stable")
    flat[order[: round(sparsity * flat.size)]] = 0
    return flat.reshape(array.shape)


def find_break_even(curve: Sequence[float], dense: Sequence[float]) -> float | None:
    """Return where ``curve`` falls below ``dense`` for good, between the points of ``GRID`` by a straight line."""
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
    """Return leading rows of every array, ``_SAMPLE`` values in all."""
    share = min(1.0, _SAMPLE / max(1, sum(array.size for array in arrays.values())))
    return [array[: max(1, round(share * len(array)))] for array in arrays.values() if array.size]
