import errno
import json
import os
import re
import time

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from compression.cli import app
from compression.commands import manage_store as command
from compression.stage_store.description import describe_stages
from compression.stage_store.locks import StageLocks
from compression.stage_store.store import Made, StageKey, Store

DENSE = StageKey(
    "dense",
    2,
    {
        "data": {"_target_": "compression.data.digits.Digits"},
        "model": {"target": "compression.models.mobilenet_v2.mobilenet_v2"},
        "seed": 7,
        "training": {"epochs": 20},
    },
)
PRUNED = StageKey(
    "prune",
    4,
    {
        "strategy": {
            "criterion": {"_target_": "compression.pruning.criteria.magnitude.Magnitude"},
            "schedule": {"_target_": "compression.pruning.schedules.geometric.Geometric"},
        },
        "sparsity": 0.9,
        "seed": 7,
    },
    (DENSE.id,),
)
QUANTIZED = StageKey("quantize", 4, {"quantization": {"name": "ptq"}, "bits": [6, 8]}, (PRUNED.id,))
LOST = StageKey("prune", 4, {"sparsity": 0.5, "seed": 1}, ("f" * 16,))


def run(*arguments):
    return CliRunner().invoke(app, ["store", *(str(argument) for argument in arguments)])


def put(outputs, key, *, seconds=0.0):
    def make(folder):
        (folder / "model.safetensors").write_bytes(bytes(2000))
        return Made({}, seconds)

    store = Store(outputs / "store", invocation="test")
    path = store.obtain(key, make).path
    store.release()
    return path


@pytest.fixture
def outputs(tmp_path):
    """Three stages that a run needs, one that no run needs, and an interrupted stage."""
    for key, seconds in ((DENSE, 3700), (PRUNED, 90), (QUANTIZED, 5), (LOST, 0)):
        put(tmp_path, key, seconds=seconds)
    (tmp_path / "store" / f"dense-{'0' * 16}.partial" / "resume").mkdir(parents=True)
    (tmp_path / "store" / f"dense-{'0' * 16}.partial" / "resume" / "last.ckpt").write_bytes(bytes(100))
    (tmp_path / "run").mkdir()
    metrics = {"run": {"stages": {"dense": DENSE.id, "prune": PRUNED.id, "quantize": QUANTIZED.id}}}
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def there(outputs):
    return sorted(path.name for path in (outputs / "store").iterdir() if not path.name.startswith("."))


def test_descriptions(outputs):
    from compression.stage_store.entries import list_entries

    words = describe_stages(list_entries(outputs / "store"))
    assert list(words[QUANTIZED.id].values()) == [
        *("digits", "mobilenet_v2", "magnitude/geometric", "s90", "w6 a8", "ptq", "20 epochs", "seed 7")
    ]
    assert list(words[LOST.id].values()) == ["s50", "seed 1"]


def test_ls(outputs):
    result = run("ls", "--output-dir", outputs)
    assert result.exit_code == 0, result.output
    rows = [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]
    assert rows[0] == ["stage", "id", "made from", "size", "took", "made", "last used"]
    by_id = {row[1]: row for row in rows[1:-2]}
    assert by_id[DENSE.id][2] == "digits mobilenet_v2 20 epochs seed 7"
    assert by_id[DENSE.id][4] == "1 h 01 min"
    assert by_id[PRUNED.id][4] == "1 min 30 s"
    assert by_id["0" * 16][2:5] == ["-", "100 bytes", "-"]
    assert by_id["0" * 16][-1] == "interrupted, no run needs it"
    assert by_id[LOST.id][-1] == "no run needs it"
    # Stages are in the order of the pipeline, and those of one name by when they were made.
    assert [row[0] for row in rows[1:-2]] == ["dense", "dense", "prune", "prune", "quantize"]
    assert rows[-1][0].startswith("4 finished, 1 interrupted: ")
    assert rows[-1][0].endswith("making them took 1 h 03 min")


def test_ls_as_json(outputs):
    listed = json.loads(run("ls", "--output-dir", outputs, "--json").stdout)
    stages = {one["id"]: one for one in listed["stages"]}
    assert stages[DENSE.id]["of_a_run"]
    assert not stages[LOST.id]["of_a_run"]
    assert stages[DENSE.id]["made_from"]["seed"] == "seed 7"
    assert stages["0" * 16]["state"] == "interrupted"
    assert listed["total"]["bytes"] == sum(one["bytes"] for one in listed["stages"])
    size = (outputs / "store" / DENSE.name / "stage.json").stat().st_size
    assert stages[DENSE.id]["bytes"] == 2000 + size


def test_gc(outputs):
    before = there(outputs)
    dry = run("gc", "--output-dir", outputs, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert there(outputs) == before
    size = 2000 + (outputs / "store" / LOST.name / "stage.json").stat().st_size + 100
    assert f"would remove 2 folders of {size / 1024:.1f} KiB ({size:,} bytes)" in dry.stdout
    wet = run("gc", "--output-dir", outputs)
    assert f"removed 2 folders of {size / 1024:.1f} KiB ({size:,} bytes)" in wet.stdout
    assert there(outputs) == sorted([DENSE.name, PRUNED.name, QUANTIZED.name])
    assert run("gc", "--output-dir", outputs).stdout.startswith("removed 0 folders of 0 bytes (0 bytes)")


def test_gc_keeps_recent_stages_and_stages_in_use(outputs):
    os.utime(outputs / "store" / LOST.name, (time.time() - 2 * 24 * 3600,) * 2)
    assert f"{LOST.name}" in run("gc", "--output-dir", outputs, "--dry-run", "--keep-days", 1.5).stdout
    assert f"{LOST.name}" not in run("gc", "--output-dir", outputs, "--dry-run", "--keep-days", 2.5).stdout
    with StageLocks(outputs / "store").taken(LOST.name, when_waiting=lambda: None):
        result = run("gc", "--output-dir", outputs)
    assert re.search(rf"{LOST.name}.*kept: in use", result.stdout)
    assert LOST.name in there(outputs)


def test_gc_by_size_keeps_stages_of_runs_by_default(outputs):
    result = run("gc", "--output-dir", outputs, "--max-bytes", "1KiB")
    assert result.exit_code == 1
    assert "more than --max-bytes 1.0 KiB: runs need the rest; --also-of-runs removes it too" in result.stdout
    assert there(outputs) == sorted([DENSE.name, PRUNED.name, QUANTIZED.name])
    result = run("gc", "--output-dir", outputs, "--max-bytes", "6KiB", "--also-of-runs")
    assert result.exit_code == 0, result.output
    # The stage without children goes first.
    assert there(outputs) == sorted([DENSE.name, PRUNED.name])


def test_gc_with_runs_in_another_folder(outputs, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "stages.txt").write_text(f"{LOST.name}\n")
    assert LOST.name not in run("gc", "--output-dir", outputs, "--runs", other, "--dry-run").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ls", "--output-dir", "nowhere"], "--output-dir nowhere: no store in it; allowed: a folder that train.py "),
        (
            ["gc", "--max-bytes", "5XB"],
            "--max-bytes=5XB: must be a size such as 300KiB, 1.5MB or 5GiB (KB, MB, GB, KiB, ",
        ),
        (["gc", "--also-of-runs"], "--also-of-runs needs --max-bytes SIZE"),
        (["gc", "--output-dir", ".", "--runs", "nowhere"], "--runs nowhere: no such folder"),
        (["gc", "--output-dir", "."], "metrics.json is not JSON: its references are unknown"),
    ],
)
def test_errors_are_one_line(outputs, monkeypatch, arguments, message):
    monkeypatch.chdir(outputs)
    (outputs / "run" / "metrics.json").write_text("{")
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(there(outputs)) == 5


def test_verify(outputs):
    assert run("verify", "--output-dir", outputs).stdout == "4 intact\n"
    (outputs / "store" / PRUNED.name / "model.safetensors").write_bytes(bytes(1999) + b"!")
    (outputs / "store" / LOST.name / "stage.json").write_text("{")
    record = json.loads((outputs / "store" / DENSE.name / "stage.json").read_text())
    for key in ("files", "blake2b"):
        record.pop(key)
    (outputs / "store" / DENSE.name / "stage.json").write_text(json.dumps(record))
    result = run("verify", "--output-dir", outputs)
    assert result.exit_code == 1
    expected = {
        f"{DENSE.name}  no checksums: made before checksums were introduced",
        f"{PRUNED.name}  damaged: model.safetensors was changed",
        f"{LOST.name}  damaged: stage.json is not JSON",
        "1 intact, 1 without checksums, 2 damaged",
    }
    assert set(result.stdout.splitlines()) == expected
    with StageLocks(outputs / "store").taken(LOST.name, when_waiting=lambda: None):
        result = run("verify", "--output-dir", outputs, "--remove")
    assert result.exit_code == 1
    assert "model.safetensors was changed; removed" in result.stdout
    assert "stage.json is not JSON; kept: in use" in result.stdout
    assert PRUNED.name not in there(outputs)
    assert LOST.name in there(outputs)


def test_durations():
    times = {0: "0.0 s", 59.94: "59.9 s", 61: "1 min 01 s", 7260: "2 h 01 min"}
    assert {seconds: command._duration(seconds) for seconds in times} == times


def test_a_store_that_may_only_be_read(outputs, monkeypatch):
    def refuse(lock, **_):
        raise PermissionError(errno.EACCES, "Permission denied", lock.lock_file)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    line = f"it is not known which stages are in use, for no lock can be written in {outputs / 'store' / '.locks'}"
    listed = run("ls", "--output-dir", outputs)
    assert listed.exit_code == 0, listed.output
    assert listed.stdout.splitlines()[-1] == line
    stages = json.loads(run("ls", "--output-dir", outputs, "--json").stdout)["stages"]
    assert {one["in_use"] for one in stages} == {None}
    dry = run("gc", "--output-dir", outputs, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "would remove 2 folders" in dry.stdout
    assert line in dry.stdout.splitlines()
    wet = run("gc", "--output-dir", outputs)
    assert (wet.exit_code, wet.stderr.count("\n")) == (2, 1)
    assert wet.stderr.endswith(": Permission denied\n")
    assert len(there(outputs)) == 5
