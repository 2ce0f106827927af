"""A disk that fills up while a file is written."""

import errno
import io
import os

from compression.system import files


def fill_disk(monkeypatch, *, after):
    """Let ``write_atomic`` fail with a full disk after the first ``after`` bytes."""

    class Full(io.FileIO):
        def write(self, data):
            super().write(data[:after])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fdopen", Full)
