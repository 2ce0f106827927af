"""Atomic file writes: a file is either complete or absent."""

import contextlib
import os
import tempfile
from pathlib import Path


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
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_folder(path.parent)


def sync_files(folder: Path) -> None:
    """Wait until all files under ``folder`` are on the disk, so that renaming the folder publishes complete files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # Only after this does the new name survive a power failure. Windows cannot open a folder.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
