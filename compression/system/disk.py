"""A disk without room: known before, and told in one line when it happens."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from compression.core.errors import InputError
from compression.core.sizes import format_size

# Windows has no quota errors by this name.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
# torch.save and safetensors raise errors of their own, without the system's number.
_SAID = ("PytorchStreamWriter failed writing file", "No space left on device", "Disk quota exceeded")

# How lines begin that say it, here and in what another process has printed.
_FULL_LINE, _LITTLE_LINE = "the disk is full", "too little room in"


class DiskFullError(OSError):
    """There is no room left to write; the message is one line that names the folder and what to do."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether ``error`` or what it was raised from says that a disk, or a quota of it, is full."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, DiskFullError) or (isinstance(link, OSError) and link.errno in _FULL):
            return True
        if not isinstance(link, OSError) and any(words in str(link) for words in _SAID):
            return True
        link = link.__cause__ or link.__context__
    return False


@contextmanager
def disk_full_told(folders: Sequence[Path], *, advice: str) -> Iterator[None]:
    """Raise ``DiskFullError`` for whatever inside fails because a disk is full: which folder, what is free, ``advice``.

    ``folders`` are those that are written to; the one with the least room is named.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_disk_full(error):
            raise
        folder = min(folders, key=free_bytes)
        # Not chained to the text of the first: what cannot be written is the same whatever was being written.
        raise DiskFullError(
            f"{_FULL_LINE}: {format_size(free_bytes(folder))} free in {folder}; what was finished is kept, and the "
            f"same command goes on where it stopped once there is room: {advice}"
        ) from error


def check_room(folder: Path, *, needed: int, what: str, advice: str) -> None:
    """Raise ``InputError`` if fewer than ``needed`` bytes are free where ``folder`` lies."""
    free = free_bytes(folder)
    if free < needed:
        raise InputError(
            f"{_LITTLE_LINE} {folder}: {format_size(free)} free, {what} needs {format_size(needed)}; {advice}"
        )


def tells_of_no_room(line: str) -> bool:
    """Whether the line that a process ended with says that there is no room: another would end the same way."""
    return line.startswith((_FULL_LINE, _LITTLE_LINE))


def free_bytes(folder: Path) -> int:
    """Return the bytes that this user may still write where ``folder`` lies, or will lie."""
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
