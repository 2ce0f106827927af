import json
from types import SimpleNamespace

import pytest

from compression.run.report.earlier_results import hold_part, read_stages, remove_results
from compression.run.stage import Finished

STAGES = {"dense": "a", "prune": "b", "quantize": "c", "export": "d"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"run": {"stages": STAGES}}))
    return tmp_path


def records(**ids):
    return Finished({name: SimpleNamespace(id=one) for name, one in ids.items()})


@pytest.mark.parametrize(
    ("made", "part"),
    [
        ({"dense": "a"}, True),
        ({"dense": "a", "prune": "b", "dense_export": "z", "pruned_export": "y"}, True),
        ({"dense": "a", "prune": "other"}, False),
        ({"dense": "a", "compact": "e"}, False),
    ],
)
def test_results_hold_a_run_with_the_same_stages(folder, made, part):
    assert hold_part(folder, records(**made)) == part


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": {"stages": 1}}', '{"run": null}'])
def test_a_damaged_record_holds_nothing(folder, text):
    (folder / "metrics.json").write_text(text)
    assert not hold_part(folder, records(dense="a"))
    assert not hold_part(folder / "none", records(dense="a"))


def test_the_stages_of_results_are_read(folder):
    assert read_stages(folder) == STAGES
    assert read_stages(folder / "none") is None


def test_results_go_and_other_files_stay(folder):
    for name in ("report.md", "model.cmp", "pictures/first_filters.png", "failure_analysis/failure_modes.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "pictures" / "mine.png").touch()
    remove_results(folder)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        "model.cmp",
        "pictures",
        "pictures/mine.png",
    ]
    remove_results(folder)
