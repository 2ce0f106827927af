"""A ``stage.json`` that is JSON and wrong inside is a damaged stage: named by the commands that look for damage."""

import json

import pytest
from wrong_values import with_wrong_values

from compression.commands.store import collect_garbage, format_stages, list_stages, verify_stages
from compression.store import Made, StageKey, Store
from compression.storekeeping.cleaning import Rules
from compression.storekeeping.manifest import read_record

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
    """The record of a stage that was made from another."""
    obtain(tmp_path / "store", PARENT, {})
    return obtain(tmp_path / "store", KEY, {"val_accuracy": 0.9, "history": [{"epoch": 1, "loss": 0.5}]})


def look(root):
    """Ask every command; return what ls says of the stage, what verify says, and what gc would remove."""
    listed = list_stages(root, runs=[])
    format_stages(listed)
    [state] = [one["state"] for one in listed["stages"] if one["id"] == KEY.id]
    text, _ = collect_garbage(root, runs=[], rules=Rules(), dry_run=True)
    return state, verify_stages(root, remove_damaged=False), text


def test_whatever_is_wrong_in_a_sealed_record_is_damage(record):
    whole = json.loads(record.read_text())
    root = record.parent.parent
    for what, changed in with_wrong_values(whole):
        if "blake2b" not in changed:
            continue
        record.write_text(json.dumps(changed))
        state, (verified, all_whole), removed = look(root)
        assert state == "damaged", what
        assert not all_whole
        assert verified.startswith(f"{KEY.name}  damaged: stage.json "), what
        assert verified.splitlines()[1:] == ["1 whole, 1 damaged"]
        assert removed.splitlines()[-1].startswith("would remove 2 of ")
        assert Store(root, invocation="test").find(KEY) is None, what


def test_a_record_of_before_seals_is_damaged_or_readable(record):
    whole = json.loads(record.read_text())
    del whole["blake2b"]
    root = record.parent.parent
    for what, changed in with_wrong_values(whole):
        record.write_text(json.dumps(changed))
        state, (_, all_whole), _ = look(root)
        found = Store(root, invocation="test").find(KEY)
        assert found is None or state == "finished", what
        assert found is not None or not all_whole, what


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        ("key.parents", 5, "stage.json lacks key.parents"),
        ("key.parents", [5], "stage.json has other parents than ids"),
        ("files", [1], "stage.json lacks files"),
        ("files", {"weights": 1}, "stage.json says nothing of 'weights'"),
        ("files", {"weights": {"bytes": 1}}, "stage.json lacks 'weights' blake2b"),
        ("seconds", float("nan"), "stage.json has nan seconds"),
        ("made_with", [], "stage.json lacks made_with"),
        ("results", {"val_accuracy": 1.0}, "stage.json was changed"),
    ],
)
def test_the_reason_names_what_is_wrong(record, place, value, reason):
    content = json.loads(record.read_text())
    first, _, second = place.partition(".")
    if second:
        content[first][second] = value
    else:
        content[first] = value
    record.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_record(record.parent)
    # A run makes it anew, and it is whole again.
    obtain(record.parent.parent, KEY, {"new": True})
    assert read_record(record.parent)["results"] == {"new": True}


def test_json_nested_without_end_is_damage(record):
    record.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"^stage\.json is not JSON$"):
        read_record(record.parent)
