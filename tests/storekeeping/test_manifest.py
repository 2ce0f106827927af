import json

import pytest

from compression.store import Made, Store
from compression.storekeeping.manifest import describe_files, find_damage, read_record, seal

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


def test_a_changed_record_is_known(shelf):
    shelf.put("dense", "dense")
    folder = shelf.root / shelf.keys["dense"].name
    record = read_record(folder)
    (folder / "stage.json").write_text(json.dumps(record | {"results": {"accuracy": 1.0}}))
    with pytest.raises(ValueError, match=r"^stage\.json was changed$"):
        read_record(folder)


def test_a_seal_is_of_what_is_read_back(tmp_path):
    key = {"stage": "dense", "version": 1, "inputs": {}, "parents": ()}
    results = {1: 0.1, "nan": float("nan"), "pair": (1, 2)}
    record = {"key": key, "invocation": "x", "results": results, "seconds": 1.0}
    (tmp_path / "stage.json").write_text(json.dumps(seal(record)))
    assert read_record(tmp_path)["results"]["pair"] == [1, 2]


def test_a_stage_of_before_checksums(tmp_path):
    assert find_damage(tmp_path, {"key": {}, "invocation": "x", "results": {}, "seconds": 1.0}, contents=True) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"key": {"stage"', "stage.json is not JSON"),
        ("", "stage.json is not JSON"),
        ("[1]", "stage.json is no record"),
        ("{}", "stage.json lacks key"),
        ('{"key": {}, "invocation": "x", "results": 3}', "stage.json lacks results"),
        ('{"key": {}, "invocation": "x", "results": {}, "seconds": 1}', "stage.json lacks key.stage"),
    ],
)
def test_a_damaged_record_is_said_and_the_stage_made_anew(shelf, caplog, text, reason):
    shelf.put("dense", "dense")
    folder = shelf.root / shelf.keys["dense"].name
    (folder / "stage.json").write_text(text)
    made = Store(shelf.root, invocation="x").obtain(shelf.keys["dense"], lambda _: Made({"new": True}))
    assert not made.reused
    assert [one.getMessage() for one in caplog.records] == [f"dense  {folder} is damaged ({reason}): made anew"]
    assert Store(shelf.root, invocation="y").obtain(shelf.keys["dense"], None).results == {"new": True}
    assert shelf.labels() == ["dense"]


@pytest.mark.parametrize("change", ["missing", "size"])
def test_a_stage_without_a_file_is_made_anew(shelf, caplog, change):
    shelf.put("dense", "dense")
    path = shelf.root / shelf.keys["dense"].name / "weights"
    path.unlink() if change == "missing" else path.write_bytes(b"short")
    assert not Store(shelf.root, invocation="x").obtain(shelf.keys["dense"], lambda _: Made({})).reused
    assert len(caplog.records) == 1
    assert "weights" in caplog.text
