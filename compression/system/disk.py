"""Checks for free disk space, and one-line errors for a full disk."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from compression.core.errors import InputError
from compression.core.sizes import format_size

# Windows has no quota errors by this name.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
# torch.save and safetensors raise their own error types, without the errno of the operating system.
_FULL_TEXTS = ("PytorchStreamWriter failed writing file", "No space left on device", "Disk quota exceeded")

# Beginnings of the error lines about a full disk. They also identify such a line in the output of another process.
_FULL_LINE, _LITTLE_LINE = "the disk is full", "too little room in"


class DiskFullError(OSError):
    """A write that failed because the disk is full. The message is one line: the folder, its free space, what to do."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether ``error``, or an error in its chain of causes, means that a disk or a disk quota is full."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, DiskFullError) or (isinstance(link, OSError) and link.errno in _FULL):
            return True
        if not isinstance(link, OSError) and any(words in str(link) for words in _FULL_TEXTS):
            return True
        link = link.__cause__ or link.__context__
    return False


@contextmanager
def disk_full_in_one_line(folders: Sequence[Path], *, advice: str) -> Iterator[None]:
    """Turn any error inside the ``with`` block that means a full disk into a ``DiskFullError``.

    ``folders`` are all folders that the block writes to. The message names the one with the least free space, how much
    is free there, and ``advice``.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_disk_full(error):
            raise
        folder = min(folders, key=free_bytes)
        # The message leaves out the text of the first error: the remedy is the same whatever was being written.
        raise DiskFullError(
            f"{_FULL_LINE}: {format_size(free_bytes(folder))} free in {folder}; finished work is kept, and the same "
            f"command continues once there is room: {advice}"
        ) from error


def check_room(folder: Path, *, needed: int, what: str, advice: str) -> None:
    """Raise ``InputError`` if fewer than ``needed`` bytes are free on the disk of ``folder``.

    The message says that ``what`` needs the space, and ends with ``advice``. ``folder`` need not exist yet.
    """
    free = free_bytes(folder)
    if free < needed:
        raise InputError(
            f"{_LITTLE_LINE} {folder}: {format_size(free)} free, {what} needs {format_size(needed)}; {advice}"
        )


def mentions_full_disk(line: str) -> bool:
    """Return whether ``line``, the last output of a process, is an error about a full disk.

    A process that starts after it would fail in the same way.
    """
    return line.startswith((_FULL_LINE, _LITTLE_LINE))


def free_bytes(folder: Path) -> int:
    """Return the free space in bytes for this user on the disk of ``folder``, which need not exist yet."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
