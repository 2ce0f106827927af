"""A full disk at any write of a run: one line, nothing is lost, and the same command continues once there is room."""

import errno
import json
import shutil
from collections import namedtuple
from itertools import pairwise
from pathlib import Path

import pytest
from runs import TINY, WIDE, lasting, run_here
from safetensors import SafetensorError
from typer.testing import CliRunner

from compression.cli import app
from compression.config.explain import explain
from compression.core.errors import InputError
from compression.run.building import network_files
from compression.run.report import model_files
from compression.run.training import checkpoint_io
from compression.system.disk import DiskFullError

Usage = namedtuple("Usage", "total used free")
FULL = OSError(errno.ENOSPC, "No space left on device")


def fails_at(monkeypatch, module, name, *, call, error):
    """Let ``module.name`` raise ``error`` from its call number ``call`` on."""
    original, count = getattr(module, name), 0

    def wrapped(*arguments, **settings):
        nonlocal count
        count += 1
        if count >= call:
            raise error
        return original(*arguments, **settings)

    monkeypatch.setattr(module, name, wrapped)


IN_TRAINING = [
    # The second checkpoint of dense training.
    (checkpoint_io, "write_atomic", 2, FULL),
    # The final weights of the dense stage, after its initial and early weights.
    (network_files, "save_file", 3, SafetensorError("I/O error: No space left on device (os error 28)")),
    (
        checkpoint_io.torch,
        "save",
        2,
        RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"),
    ),
]


def check_message(message, outputs):
    """Assert that ``message`` is one line that names the full disk and the command that makes room."""
    assert message.startswith("the disk is full: ")
    assert f" free in {outputs}" in message
    assert message.endswith(f": python -m compression store gc --output-dir {outputs}")
    assert "\n" not in message


def test_a_run_continues_after_the_disk_was_full_in_training(tmp_path, monkeypatch, trained):
    def run():
        run_here(*WIDE, "until=dense", run_dir=tmp_path / "run", output_dir=tmp_path)

    store = tmp_path / "store"
    # The resumed stage writes its initial weights again, and then its final weights.
    for module, name, call, error in (IN_TRAINING[0], (network_files, "save_file", 2, IN_TRAINING[1][3])):
        with monkeypatch.context() as patch:
            fails_at(patch, module, name, call=call, error=error)
            with pytest.raises(DiskFullError) as raised:
                run()
        check_message(explain(raised.value), tmp_path)
        assert finished(store) == set()
        assert list(store.glob("*.partial/resume/last.ckpt"))
    run()
    [resumed], [whole] = (folder.glob("dense-*/model.safetensors") for folder in (store, trained / "store"))
    assert resumed.parent.name == whole.parent.name
    assert resumed.read_bytes() == whole.read_bytes()


def finished(store):
    names = {path.parent.name for path in store.glob("*/stage.json")}
    return {name.partition("-")[0] for name in names if not name.endswith(".partial")}


@pytest.mark.slow
def test_a_run_continues_after_the_disk_was_full_at_any_write(tmp_path, monkeypatch):
    def run():
        run_here(*TINY, "name=run", run_dir=tmp_path / "run", output_dir=tmp_path)

    moments = [
        *IN_TRAINING,
        (model_files.shutil, "copyfile", 2, OSError(errno.EDQUOT, "Disk quota exceeded")),
    ]
    left = []
    for module, name, call, error in moments:
        with monkeypatch.context() as patch:
            fails_at(patch, module, name, call=call, error=error)
            with pytest.raises(DiskFullError) as raised:
                run()
        check_message(explain(raised.value), tmp_path)
        left.append(finished(tmp_path / "store"))
        if len(left) < 3:
            assert list((tmp_path / "store").glob("*.partial/resume/last.ckpt"))
    assert left[0] == set()
    assert all(before <= after for before, after in pairwise(left))
    assert "evaluate" in left[-1]
    assert not list((tmp_path / "run").glob(".*.tmp"))
    run()
    run_here(*TINY, "name=run", run_dir=tmp_path / "other" / "run", output_dir=tmp_path / "other")
    assert lasting(tmp_path / "run" / "metrics.json") == lasting(tmp_path / "other" / "run" / "metrics.json")
    # `store gc` finds run folders at any depth, so the other run is removed first.
    shutil.rmtree(tmp_path / "other")
    check_cleaning(tmp_path)


def check_cleaning(outputs: Path) -> None:
    """Assert that ``store gc`` keeps all stages of a finished run, and removes them once no file names them."""
    names = sorted(path.parent.name for path in (outputs / "store").glob("*/stage.json"))
    assert sorted((outputs / "run" / "stages.txt").read_text().split()) == names
    stages = json.loads((outputs / "run" / "metrics.json").read_text())["run"]["stages"]
    assert set(stages.values()) < {name.rpartition("-")[2] for name in names}
    for naming_files in ("stages.txt and metrics.json", "metrics.json"):
        done = CliRunner().invoke(app, ["store", "gc", "--output-dir", str(outputs)])
        assert done.stdout.startswith("removed 0 folders of 0 bytes"), naming_files
        (outputs / "run" / "stages.txt").unlink(missing_ok=True)
    assert CliRunner().invoke(app, ["store", "verify", "--output-dir", str(outputs)]).stdout == f"{len(names)} intact\n"
    (outputs / "run" / "metrics.json").unlink()
    done = CliRunner().invoke(app, ["store", "gc", "--output-dir", str(outputs)])
    assert done.stdout.splitlines()[-1].startswith(f"removed {len(names)} folders of ")
    assert not list((outputs / "store").glob("*/stage.json"))


def test_too_little_room_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 1 << 20))
    with pytest.raises(InputError) as raised:
        run_here(*TINY, run_dir=tmp_path / "run", output_dir=tmp_path)
    # Training needs 16 MiB and three copies of a network of a few KiB.
    assert str(raised.value) == (
        f"too little room in {tmp_path / 'store'}: 1.00 MiB free, stage dense needs 16.02 MiB; finished work is "
        f"kept; make room, e.g. python -m compression store gc --output-dir {tmp_path}"
    )
    assert not list((tmp_path / "store").glob("*/resume/*"))
