import json
import os

import psutil
import pytest

from compression.core.errors import InputError
from compression.sweep.presence import OPEN, close_sweep, is_open, open_sweep, refuse_opened


def test_a_process_that_is_gone_works_on_nothing(sweep):
    [mark] = (sweep.folder / OPEN).iterdir()
    written = json.loads(mark.read_text())
    mark.write_text(json.dumps(written | {"begun": written["begun"] - 60}))
    assert not is_open(sweep.folder)
    mark.write_text("[]")
    assert not is_open(sweep.folder)
    # It is taken away by the next one; that of another machine is not known to be gone.
    elsewhere = mark.with_name("elsewhere-7.json")
    elsewhere.write_text(json.dumps({"host": "elsewhere", "pid": 7, "begun": 0.0}))
    mark.rename(mark.with_name("gone-8.json"))
    open_sweep(sweep.folder)
    assert sorted(path.name for path in (sweep.folder / OPEN).iterdir()) == sorted([mark.name, elsewhere.name])
    close_sweep(sweep.folder)
    assert is_open(sweep.folder)
    # It says now and then that it is there.
    os.utime(elsewhere, (1, 1))
    assert not is_open(sweep.folder)


def test_two_commands_do_not_work_on_one_sweep(tmp_path):
    refuse_opened(tmp_path)
    open_sweep(tmp_path)
    refuse_opened(tmp_path)
    # Another's: the process that runs this one's tests, or its shell.
    [own] = (tmp_path / OPEN).glob("*.json")
    other = psutil.Process().parent()
    document = json.loads(own.read_text()) | {"pid": other.pid, "begun": other.create_time()}
    (tmp_path / OPEN / "other.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=f"process {other.pid} works on this sweep .*give another name="):
        refuse_opened(tmp_path)
    # What is gone, with its number given to another since, holds nothing.
    (tmp_path / OPEN / "other.json").write_text(json.dumps(document | {"begun": other.create_time() - 100}))
    refuse_opened(tmp_path)
