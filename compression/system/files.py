"""Files that are whole or not there at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomic(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path``, so that at every moment the old file or the new one stands there.

    The folder is made if need be, a link followed, a device or pipe simply written to. On any failure, a full disk
    included (OSError that names the file), the old file stays and no other is left behind; after a kill there may be
    one called ``.NAME.*.tmp``.
    """
    path = Path(path).resolve()
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
    except OSError as error:
        # What writes to an open file knows nothing of its name.
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
    """Wait until every file under ``folder`` is on the disk, so that a rename of it publishes whole files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as stream:
                os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    # Only after this does the new name survive a power cut; Windows cannot open a folder.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
