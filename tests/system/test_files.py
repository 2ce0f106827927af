import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from full_disk import fill_disk

from compression.core.errors import InputError
from compression.system import files
from compression.system.files import existing_file, hash_file, is_refused_write, write_atomic


def test_writes_into_a_new_folder(tmp_path):
    write_atomic(tmp_path / "a" / "b.bin", b"new")
    assert (tmp_path / "a" / "b.bin").read_bytes() == b"new"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.bin"]


def test_replaces(tmp_path):
    path = tmp_path / "b.bin"
    path.write_bytes(b"old")
    write_atomic(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomic(tmp_path / "atomic", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("function", ["fsync", "fdopen"])
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, function):
    path = tmp_path / "b.bin"
    path.write_bytes(b"old")

    def fail(descriptor, *_):
        if function == "fdopen":
            os.close(descriptor)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, function, fail)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.bin"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_disk_that_fills_up_in_the_middle(tmp_path, monkeypatch, old):
    path = tmp_path / "b.bin"
    if old is not None:
        path.write_bytes(old)
    before = list(tmp_path.iterdir())
    fill_disk(monkeypatch, after=3)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic(path, b"longer than that")
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == before
    assert old is None or path.read_bytes() == old


def test_a_full_device_is_named():
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomic("/dev/full", b"new")
    assert caught.value.filename == "/dev/full"


# Where a child kills itself: half of the data written, all written, before the rename, after the rename.
KILLS = {
    "write": """
class Half(io.FileIO):
    def write(self, data):
        super().write(data[: len(data) // 2])
        kill()
files.os.fdopen = Half
""",
    "fsync": "files.os.fsync = kill",
    "replace": "files.Path.replace = kill",
    "replaced": "files._sync_folder = kill",
}


@pytest.mark.parametrize("moment", KILLS)
@pytest.mark.parametrize("old", [None, b"old"])
def test_killed_while_writing(tmp_path, moment, old):
    path = tmp_path / "b.bin"
    if old is not None:
        path.write_bytes(old)
    script = (
        "import io, os, signal, sys\nfrom compression.system import files\n"
        "def kill(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{KILLS[moment]}\nfiles.write_atomic(sys.argv[1], b'new' * 100)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    if moment == "replaced":
        assert path.read_bytes() == b"new" * 100
    else:
        assert (path.read_bytes() if path.exists() else None) == old
    # A killed process cannot clean up. Its temporary file has another name and disturbs nothing.
    rest = [entry.name for entry in tmp_path.iterdir() if entry != path]
    assert all(name.startswith(".b.bin.") and name.endswith(".tmp") for name in rest)
    write_atomic(path, b"again")
    assert path.read_bytes() == b"again"


def test_follows_links(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_device_is_written_to():
    write_atomic("/dev/null", b"new")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_named_file_must_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pt").write_bytes(b"abc")
    assert existing_file("~/a.pt", key="model.weights") == tmp_path / "a.pt"
    assert hash_file(tmp_path / "a.pt").startswith("ba7816bf8f01cfea")
    for given in ("b.pt", str(tmp_path)):
        with pytest.raises(InputError) as caught:
            existing_file(given, key="model.weights")
        assert str(caught.value) == f"model.weights={given}: no such file"


@pytest.mark.parametrize(("number", "refused"), [(errno.EACCES, True), (errno.EROFS, True), (errno.ENOSPC, False)])
def test_a_folder_for_reading_only_is_told_from_other_faults(number, refused):
    assert is_refused_write(OSError(number, "why")) == refused
