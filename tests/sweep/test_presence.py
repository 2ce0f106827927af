import json
import os
from dataclasses import asdict

import psutil
import pytest

from compression.core.errors import InputError
from compression.sweep.presence import OPEN, close_sweep, is_open, open_sweep, refuse_opened
from compression.system.processes import describe_process


def test_a_sweep_without_its_process_is_not_open(sweep):
    [mark] = (sweep.folder / OPEN).iterdir()
    written = json.loads(mark.read_text())
    mark.write_text(json.dumps(written | {"begun": written["begun"] - 60, "start": None}))
    assert not is_open(sweep.folder)
    mark.write_text("[]")
    assert not is_open(sweep.folder)
    # The next process removes this record. A process on another machine may still run.
    elsewhere = mark.with_name("elsewhere-7.json")
    elsewhere.write_text(json.dumps({"host": "elsewhere", "pid": 7, "begun": 0.0}))
    mark.rename(mark.with_name("gone-8.json"))
    open_sweep(sweep.folder)
    assert sorted(path.name for path in (sweep.folder / OPEN).iterdir()) == sorted([mark.name, elsewhere.name])
    close_sweep(sweep.folder)
    assert is_open(sweep.folder)
    # The other process has not touched its record for a long time.
    os.utime(elsewhere, (1, 1))
    assert not is_open(sweep.folder)


def test_a_second_command_on_the_same_sweep_is_refused(tmp_path):
    refuse_opened(tmp_path)
    open_sweep(tmp_path)
    refuse_opened(tmp_path)
    # The record of another process, here the parent of this one.
    [own] = (tmp_path / OPEN).glob("*.json")
    other = psutil.Process().parent()
    document = json.loads(own.read_text()) | asdict(describe_process(other.pid))
    (tmp_path / OPEN / "other.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=f"process {other.pid} works on this sweep .*give another name="):
        refuse_opened(tmp_path)
    # A process that is gone does not block the sweep, even if its PID is used again.
    (tmp_path / OPEN / "other.json").write_text(
        json.dumps(document | {"begun": other.create_time() - 100, "start": None})
    )
    refuse_opened(tmp_path)
