"""Content hashes of many files, computed by several threads."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class FileHashes:
    """SHA-256 of N files, in hex.

    ``digests`` are those of each file's content, "" for a file that cannot be read. ``fingerprint`` covers names, sizes
    and contents of all. ``unreadable`` maps the index of a file to the reason.
    """

    digests: list[str]
    fingerprint: str
    unreadable: dict[int, str]


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


def hash_files(root: Path, names: Sequence[str]) -> FileHashes:
    """Return the hashes of files. ``names`` are relative to ``root``; the path of ``root`` is not part of any hash."""
    folder = str(root)

    def hash_file(name: str) -> tuple[str, int, str]:
        try:
            content = Path(f"{folder}/{name}").read_bytes()
        except OSError as error:
            return "", 0, describe_read_error(error)
        return hashlib.sha256(content).hexdigest(), len(content), ""

    def hash_chunk(start: int, stop: int) -> list[tuple[str, int, str]]:
        return [hash_file(name) for name in names[start:stop]]

    hashed = [item for items in map_chunks(hash_chunk, len(names), chunk=256) for item in items]
    whole = hashlib.sha256()
    for name, (digest, size, why) in zip(names, hashed, strict=True):
        whole.update(f"{name}\0{size}\0{'unreadable' if why else digest}\n".encode())
    unreadable = {index: why for index, (_, _, why) in enumerate(hashed) if why}
    return FileHashes([digest for digest, _, _ in hashed], whole.hexdigest(), unreadable)


def describe_read_error(error: OSError) -> str:
    """Return why a file cannot be read, without its name."""
    return f"cannot be read: {error.strerror or error}"
