"""Content hashes of many files, computed by several threads."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from compression.data.decode import read_file

Result = TypeVar("Result")


def count_threads() -> int:
    """Return the number of threads for reading and decoding: the cores this process may use, at most 16."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return min(len(usable), 16)


def map_chunks(function: Callable[[int, int], Result], length: int, *, chunk: int) -> list[Result]:
    """Return the results of ``function(start, stop)`` for consecutive chunks of ``range(length)``, in order.

    Several threads run the chunks. Each chunk has ``chunk`` indices; the last may have fewer.
    """
    spans = [(start, min(start + chunk, length)) for start in range(0, length, chunk)]
    with ThreadPoolExecutor(count_threads()) as threads:
        return list(threads.map(lambda span: function(*span), spans))


def hash_files(root: Path, names: Sequence[str]) -> tuple[list[str], str]:
    """Return (SHA-256 of each file's content, SHA-256 over all names, sizes and contents), in hex.

    ``names`` are relative to ``root``; the path of ``root`` is not part of the hash. Raises ``InputError`` for a file
    that cannot be read.
    """
    folder = str(root)

    def hash_chunk(start: int, stop: int) -> list[tuple[str, int]]:
        contents = [read_file(f"{folder}/{name}") for name in names[start:stop]]
        return [(hashlib.sha256(content).hexdigest(), len(content)) for content in contents]

    hashed = [item for items in map_chunks(hash_chunk, len(names), chunk=256) for item in items]
    whole = hashlib.sha256()
    for name, (digest, size) in zip(names, hashed, strict=True):
        whole.update(f"{name}\0{size}\0{digest}\n".encode())
    return [digest for digest, _ in hashed], whole.hexdigest()
