import errno
import shutil
from collections import namedtuple

import pytest
import torch

from compression.core.errors import InputError
from compression.system.disk import DiskFullError, check_room, disk_full_in_one_line, is_disk_full

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (
            RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0"),
            True,
        ),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (RuntimeError("shape mismatch"), False),
        (FileNotFoundError("x"), False),
    ],
)
def test_errors_that_mean_a_full_disk(error, full):
    assert is_disk_full(error) is full
    outer = ValueError("outer")
    outer.__cause__ = error
    assert is_disk_full(outer) is full


def test_the_error_of_torch_save_is_recognized():
    """The search words must match the message of torch's own writer."""

    class Full:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self):
            pass

    with pytest.raises((OSError, RuntimeError)) as raised:
        torch.save({"x": torch.zeros(1000)}, Full())
    assert is_disk_full(raised.value)


def test_the_error_names_the_folder_with_the_least_space(tmp_path, monkeypatch):
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    free = {small: 2048, large: 5 << 30, tmp_path: 5 << 30}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, free[folder]))
    with (
        pytest.raises(DiskFullError) as raised,
        disk_full_in_one_line([large, small], advice="do this"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(raised.value) == (
        f"the disk is full: 2.0 KiB free in {small}; finished work is kept, and the same command continues once there "
        "is room: do this"
    )


def test_other_errors_are_left_alone(tmp_path):
    with pytest.raises(ValueError, match="mine"), disk_full_in_one_line([tmp_path], advice=""):
        raise ValueError("mine")


def test_check_room(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1 << 20))
    check_room(tmp_path / "not" / "yet", needed=1 << 20, what="stage dense", advice="x")
    with pytest.raises(InputError) as raised:
        check_room(tmp_path, needed=(1 << 20) + 1, what="stage dense", advice="make room")
    assert str(raised.value) == (f"too little room in {tmp_path}: 1.00 MiB free, stage dense needs 1.00 MiB; make room")
