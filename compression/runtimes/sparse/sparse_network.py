"""A network in the tables of the sparse engine, with memory to run it."""

import ctypes
import os
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.runtimes.sparse.cost_model import multiply_picoseconds
from compression.runtimes.sparse.encoding.encode import Encoded, encode
from compression.runtimes.sparse.encoding.shares import MOST_PARTS, share
from compression.runtimes.sparse.layout import is_depthwise
from compression.runtimes.sparse.program import Convolution, Program

_ALIGNMENT = 64
# Less work is not worth a thread, which takes 30 to 100 microseconds to start.
PICOSECONDS_OF_A_PART = 250_000_000
Floats = NDArray[np.float32]


class SparseNetwork:
    """A program for one shape of images, in two forms: for one image, and for a block of as many as a vector holds."""

    def __init__(self, kernels: ctypes.CDLL, program: Program, *, vector: int, threads: int) -> None:
        self._kernels, self._program, self._vector, self._threads = kernels, program, vector, threads

    def __call__(self, images: Floats) -> Floats:
        """Return the logits of ``images: [B, C, H, W]``: ``[B, classes]``."""
        images = np.ascontiguousarray(images, dtype=np.float32)
        logits = np.empty((len(images), self._program.logits.channels * self._program.logits.positions), np.float32)
        in_blocks = self.count_in_blocks(len(images))
        if in_blocks:
            self._run_blocks(images[:in_blocks], logits[:in_blocks])
        for index in range(in_blocks, len(images)):
            self._single.run(images[index:], logits[index:])
        return logits

    def count_in_blocks(self, count: int) -> int:
        """Return how many of ``count`` images are computed in blocks.

        The rest takes a block too if it is more than a quarter of one; a block of MobileNetV2 takes about as long as
        that many single images.
        """
        rest = count % self._vector
        return count if self._vector > 1 and 4 * rest > self._vector else count - rest if self._vector > 1 else 0

    def _run_blocks(self, images: Floats, logits: Floats) -> None:
        missing = -len(images) % self._vector
        if not missing:
            self._blocks.run(images, logits)
            return
        whole = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.float32)])
        results = np.empty((len(whole), logits.shape[1]), dtype=np.float32)
        self._blocks.run(whole, results)
        logits[:] = results[: len(images)]

    @cached_property
    def _single(self) -> "_Single":
        encoded = encode(self._program, vector=self._vector, lanes=1)
        return _Single(self._kernels, encoded, parts=count_parts(self._program, threads=self._threads))

    @cached_property
    def _blocks(self) -> "_Blocks":
        encoded = encode(self._program, vector=self._vector, lanes=self._vector)
        return _Blocks(self._kernels, encoded, threads=min(self._threads, MOST_PARTS))


class _Single:
    """Tables for one image with an arena, on which ``parts`` threads work at once. One caller at a time may run it."""

    def __init__(self, kernels: ctypes.CDLL, encoded: Encoded, *, parts: int = 1) -> None:
        check_memory(encoded.arena_bytes)
        self._tables, self._arena = _copy_tables(encoded), _aligned(encoded.arena_bytes)
        self._operations = encoded.operations if parts == 1 else share(encoded, parts)
        self._run = kernels.run if parts == 1 else kernels.run_shared
        counts = reversed(self._operations.shape)
        self._places = self._operations.ctypes.data, *counts, self._arena.ctypes.data, self._tables.ctypes.data

    def run(self, images: Floats, logits: Floats) -> None:
        """Write the logits of the first image."""
        self._run(*self._places, images.ctypes.data, logits.ctypes.data)


class _Blocks:
    """Tables for blocks of images, with an arena for each thread. One caller at a time may run it."""

    def __init__(self, kernels: ctypes.CDLL, encoded: Encoded, *, threads: int) -> None:
        check_memory(threads * encoded.arena_bytes)
        self._run, self._encoded, self._tables = kernels.run_blocks, encoded, _copy_tables(encoded)
        self._arenas = [_aligned(encoded.arena_bytes) for _ in range(threads)]
        self._pointers = (ctypes.c_void_p * threads)(*(arena.ctypes.data for arena in self._arenas))

    def run(self, images: Floats, logits: Floats) -> None:
        """Write the logits of ``images: [B, C, H, W]``, whole blocks, to ``logits: [B, classes]``."""
        lanes, operations = self._encoded.lanes, self._encoded.operations
        blocks = len(images) // lanes
        self._run(
            operations.ctypes.data,
            len(operations),
            min(len(self._arenas), blocks),
            self._pointers,
            self._tables.ctypes.data,
            images.ctypes.data,
            logits.ctypes.data,
            blocks,
            lanes * images[0].size,
            lanes * logits.shape[1],
        )


def _copy_tables(encoded: Encoded) -> NDArray[np.uint8]:
    tables = _aligned(len(encoded.tables))
    tables[:] = encoded.tables
    return tables


def count_parts(program: Program, *, threads: int) -> int:
    """Return how many of ``threads`` are worth their start for one image. It follows from the network, not a clock."""
    picoseconds = sum(
        _count_weights(operation) * multiply_picoseconds(operation.target.positions)
        for operation in program.operations
        # Other groups are not divided.
        if isinstance(operation, Convolution) and (operation.groups == 1 or is_depthwise(operation))
    )
    return int(max(1, min(threads, MOST_PARTS, picoseconds // PICOSECONDS_OF_A_PART)))


def _count_weights(operation: Convolution) -> int:
    """Return the number of weights that are computed: the depthwise kernel does not skip zeros."""
    return operation.weight.size if is_depthwise(operation) else int(np.count_nonzero(operation.weight))


def check_memory(needed: int) -> None:
    """Raise InputError if an arena of ``needed`` bytes is larger than this machine's memory."""
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else needed
    if needed > available:
        raise InputError(
            f"engine sparse: the maps of this network need {format_size(needed)}, "
            f"the machine has {format_size(available)}; use smaller images"
        )


def _aligned(size: int) -> NDArray[np.uint8]:
    """Return ``size`` zero bytes that begin at a multiple of 64."""
    try:
        data = np.zeros(size + _ALIGNMENT, dtype=np.uint8)
    except MemoryError as error:
        raise InputError(f"engine sparse: no memory for {format_size(size)}; use smaller images") from error
    first = -data.ctypes.data % _ALIGNMENT
    return data[first : first + size]
