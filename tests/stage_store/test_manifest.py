"""Records of stages: sizes and checksums of files. Every command that looks for damage finds every kind of damage."""

import json
import re
from itertools import islice

import pytest
from wrong_values import with_wrong_values

from compression.commands.manage_store import collect_garbage, format_stages, list_stages, verify_stages
from compression.stage_store.cleaning import Rules
from compression.stage_store.manifest import describe_files, find_damage, read_record, seal
from compression.stage_store.store import Made, StageKey, Store

# b2sum --length=128 of "hello".
HELLO = "46fb7408d4f285228f4af516ea25851b"


def test_files_with_bytes_and_checksum(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.txt").write_text("hello")
    (tmp_path / "resume").mkdir()
    (tmp_path / "resume" / "last.ckpt").write_text("x")
    found = describe_files(tmp_path, leave_out=frozenset({"resume"}))
    assert found == {"deep/a.txt": {"bytes": 5, "blake2b": HELLO}}


@pytest.mark.parametrize(
    ("change", "quick", "thorough"),
    [
        (lambda _: None, [], []),
        (lambda path: path.unlink(), ["weights is missing"], ["weights is missing"]),
        (
            lambda path: path.write_bytes(bytes(1001)),
            ["weights has 1,001 bytes, not 1,000"],
            ["weights has 1,001 bytes, not 1,000"],
        ),
        (lambda path: path.write_bytes(bytes(999) + b"!"), [], ["weights was changed"]),
    ],
    ids=["whole", "missing", "size", "content"],
)
def test_damage(shelf, change, quick, thorough):
    shelf.put("dense", "dense")
    folder = shelf.root / shelf.keys["dense"].name
    change(folder / "weights")
    record = read_record(folder)
    assert find_damage(folder, record, contents=False) == quick
    assert find_damage(folder, record, contents=True) == thorough


def test_a_changed_record_is_damage(shelf):
    shelf.put("dense", "dense")
    folder = shelf.root / shelf.keys["dense"].name
    record = read_record(folder)
    (folder / "stage.json").write_text(json.dumps(record | {"results": {"accuracy": 1.0}}))
    with pytest.raises(ValueError, match=r"^stage\.json was changed$"):
        read_record(folder)


def test_a_seal_covers_the_record_as_it_is_read_back(tmp_path):
    key = {"stage": "dense", "version": 1, "inputs": {}, "parents": ()}
    results = {1: 0.1, "nan": float("nan"), "pair": (1, 2)}
    record = {"key": key, "invocation": "x", "results": results, "seconds": 1.0}
    (tmp_path / "stage.json").write_text(json.dumps(seal(record)))
    assert read_record(tmp_path)["results"]["pair"] == [1, 2]


def test_a_stage_without_checksums_has_no_known_damage(tmp_path):
    assert find_damage(tmp_path, {"key": {}, "invocation": "x", "results": {}, "seconds": 1.0}, contents=True) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"key": {"stage"', "stage.json is not JSON"),
        ("", "stage.json is not JSON"),
        ("[1]", "stage.json: must be a mapping, not a list"),
        ("{}", "stage.json: key is missing"),
        ('{"invocation": "x", "results": 3}', "stage.json: results=3: must be a mapping"),
        ('{"key": {}, "invocation": "x", "results": {}, "seconds": 1}', "stage.json: key.stage is missing"),
    ],
)
def test_a_stage_with_a_damaged_record_is_logged_and_made_again(shelf, caplog, text, reason):
    shelf.put("dense", "dense")
    folder = shelf.root / shelf.keys["dense"].name
    (folder / "stage.json").write_text(text)
    made = Store(shelf.root, invocation="x").obtain(shelf.keys["dense"], lambda _: Made({"new": True}))
    assert not made.reused
    assert [one.getMessage() for one in caplog.records] == [
        f"dense  {folder} is damaged ({reason}): must be made again"
    ]
    assert Store(shelf.root, invocation="y").obtain(shelf.keys["dense"], None).results == {"new": True}
    assert shelf.labels() == ["dense"]


@pytest.mark.parametrize("change", ["missing", "size"])
def test_a_stage_with_a_missing_or_short_file_is_made_again(shelf, caplog, change):
    shelf.put("dense", "dense")
    path = shelf.root / shelf.keys["dense"].name / "weights"
    path.unlink() if change == "missing" else path.write_bytes(b"short")
    assert not Store(shelf.root, invocation="x").obtain(shelf.keys["dense"], lambda _: Made({})).reused
    assert len(caplog.records) == 1
    assert "weights" in caplog.text


PARENT = StageKey("dense", 1, {"data": {"_target_": "a.digits.Digits"}, "training": {"epochs": 2}, "seed": 7})


KEY = StageKey(
    "prune",
    2,
    {
        "model": {"target": "a.net"},
        "strategy": {"criterion": {"_target_": "a.magnitude.Magnitude"}, "schedule": {"_target_": "a.one.Shot"}},
        "sparsity": 0.9,
        "bits": [8, 8],
        "quantization": {"name": "ptq"},
        "distillation": {"name": "logit"},
        "training": {"epochs": 2},
    },
    (PARENT.id,),
)


def obtain(root, key, results):
    def make(folder):
        (folder / "weights").write_bytes(bytes(100))
        return Made(results)

    store = Store(root, invocation="test", made_with={"torch": "2.15"})
    record = store.obtain(key, make)
    store.release()
    return record.path / "stage.json"


@pytest.fixture
def record(tmp_path):
    """The record of a stage with a parent."""
    obtain(tmp_path / "store", PARENT, {})
    return obtain(tmp_path / "store", KEY, {"val_accuracy": 0.9, "history": [{"epoch": 1, "loss": 0.5}]})


# There are hundreds of ways to damage a record. Every third of them still covers each value and each way.
THIRD = pytest.mark.parametrize("third", [0, *(pytest.param(third, marks=pytest.mark.slow) for third in (1, 2))])


def look(root):
    """Return what each command prints about the stage: ls, verify, and gc."""
    listed = list_stages(root, runs=[])
    format_stages(listed)
    [state] = [one["state"] for one in listed["stages"] if one["id"] == KEY.id]
    text, _ = collect_garbage(root, runs=[], rules=Rules(), dry_run=True)
    return state, verify_stages(root, remove_damaged=False), text


@THIRD
def test_any_change_to_a_sealed_record_is_damage(record, third):
    whole = json.loads(record.read_text())
    root = record.parent.parent
    for what, changed in islice(with_wrong_values(whole), third, None, 3):
        if "blake2b" not in changed:
            continue
        record.write_text(json.dumps(changed))
        state, (verified, all_intact), removed = look(root)
        assert state == "damaged", what
        assert not all_intact
        assert verified.startswith(f"{KEY.name}  damaged: stage.json"), what
        assert verified.splitlines()[1:] == ["1 intact, 1 damaged"]
        assert removed.splitlines()[-1].startswith("would remove 2 folders of ")
        assert Store(root, invocation="test").find(KEY) is None, what


@THIRD
def test_an_unsealed_record_is_damaged_or_readable(record, third):
    whole = json.loads(record.read_text())
    del whole["blake2b"]
    root = record.parent.parent
    for what, changed in islice(with_wrong_values(whole), third, None, 3):
        record.write_text(json.dumps(changed))
        state, (_, all_intact), _ = look(root)
        found = Store(root, invocation="test").find(KEY)
        assert found is None or state == "finished", what
        assert found is not None or not all_intact, what


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("key.parents", 5, "stage.json: key.parents=5: must be a list"),
        ("key.parents", [5], "stage.json: key.parents[0]=5: must be text"),
        ("files", [1], "stage.json: files=[1]: must be a mapping"),
        ("files", {"weights": 1}, "stage.json: files: 'weights': must be a mapping, not an integer"),
        ("files", {"weights": {"bytes": 1}}, "stage.json: files: 'weights': blake2b is missing"),
        (
            "files",
            {"weights": {"bytes": -1, "blake2b": ""}},
            "stage.json: files: 'weights': bytes=-1: must be an integer >= 0",
        ),
        ("seconds", float("nan"), "stage.json: seconds=nan: must be a number >= 0.0"),
        ("seconds", 1e12, "stage.json: seconds=1000000000000.0: must be a number < 1000000000000.0"),
        (
            "seconds",
            10**400,
            f"stage.json: seconds=1{0:017}...{0:019}: must be a number",
        ),
        ("made_with", [], "stage.json: made_with=[]: must be a mapping"),
        ("results", {"val_accuracy": 1.0}, "stage.json was changed"),
    ],
)
def test_the_reason_names_path_value_and_allowed_values(record, place, value, reason):
    content = json.loads(record.read_text())
    first, _, second = place.partition(".")
    if second:
        content[first][second] = value
    else:
        content[first] = value
    record.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        read_record(record.parent)
    # A run makes the stage again, and its record is intact.
    obtain(record.parent.parent, KEY, {"new": True})
    assert read_record(record.parent)["results"] == {"new": True}


def test_deeply_nested_json_is_damage(record):
    record.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"^stage\.json is not JSON$"):
        read_record(record.parent)
