"""Atomic file writes, in which a file is either complete or absent, and files that a user names."""

import contextlib
import errno
import hashlib
import os
import secrets
from pathlib import Path

from compression.core.errors import InputError

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


def existing_file(given: str, *, key: str) -> Path:
    """Return the path ``given`` as the setting ``key``, with ``~`` expanded; raise InputError if it is no file."""
    path = Path(given).expanduser()
    if not path.is_file():
        raise InputError(f"{key}={given}: no such file")
    return path


def is_refused_write(error: OSError) -> bool:
    """Return whether ``error`` means that a folder may only be read: its rights, or a file system for reading."""
    return error.errno in _REFUSED


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the content of a file, in hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_atomic(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` so that at every moment either the old or the new file is complete.

    Creates missing parent folders, follows a link, and writes directly to a device or pipe. Raises ``OSError`` naming
    the file if writing fails, for example on a full disk; then the old file stays and no temporary file remains. A
    process that is killed may leave a file ``.NAME.*.tmp``.
    """
    path = Path(path).resolve()
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
    except OSError as error:
        # Writes to an open file descriptor raise errors without a file name.
        if error.errno is not None:
            error.filename = error.filename or str(path)
        raise


def _replace(path: Path, data: bytes) -> None:
    descriptor, temporary = _open_beside(path)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _open_beside(path: Path) -> tuple[int, Path]:
    """Open a new file in the folder of ``path``, with the rights that new files have. ``tempfile`` gives other ones."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        with contextlib.suppress(FileExistsError):
            return os.open(temporary, flags, 0o666), temporary


def sync_files(folder: Path) -> None:
    """Wait until all files under ``folder`` are on the disk, so that renaming the folder publishes complete files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    # Only after this does the new name survive a power failure. Windows cannot open a folder.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
