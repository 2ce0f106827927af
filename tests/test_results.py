"""Tables of results in README.md and docs/results.md are those of the records."""

import importlib.util
import re
import sys

import pytest
from runs import ROOT

# The script imports its neighbours.
sys.path.append(str(ROOT / "experiments"))
spec = importlib.util.spec_from_file_location("make_results", ROOT / "experiments" / "make_results.py")
results = importlib.util.module_from_spec(spec)
spec.loader.exec_module(results)


@pytest.mark.parametrize("page", results.PAGES, ids=lambda page: page.name)
def test_every_table_equals_its_record(page):
    text = page.read_text()
    assert results.BLOCK.search(text), "no table, so nothing would be checked"
    assert results.fill(text) == text, "run make results"


def test_every_table_is_used():
    found = {name for page in results.PAGES for _, name, *_ in results.BLOCK.findall(page.read_text())}
    assert found == set(results.TABLES)


def test_a_changed_figure_is_found():
    text = (ROOT / "README.md").read_text()
    [start] = [match.end() for match in re.finditer(r"<!-- results: summary -->", text)]
    digit = re.compile(r"\d").search(text, start)
    changed = text[: digit.start()] + str((int(digit.group()) + 1) % 10) + text[digit.end() :]
    assert results.fill(changed) == text


def test_every_measured_figure_in_the_prose_is_that_of_a_record():
    found = {figure for page in results.PAGES[:2] for figure in list_figures(page.read_text())}
    assert found == make_figures()


def list_figures(page):
    """Return what has a decimal point and a unit, outside of tables and code. Whole numbers are settings."""
    prose = re.sub(r"^(\||    ).*$", "", results.BLOCK.sub("", page), flags=re.MULTILINE)
    return re.findall(r"\d+\.\d+(?= (?:%|points|times)|x)", prose)


def make_figures():
    """Return the figures of the prose, from their records."""
    from result_tables.runs import read_runs
    from result_tables.table import percent, read

    dense = {run["run"]: run["dense"]["accuracy"] for run in read_runs("dense")}
    # The tiles: 952 of 1,344 are good, one class of six.
    return {
        *(percent(dense[run]) for run in ("study-dense", "study-dense-longer")),
        percent(read("studies/known.json")["b"]["dense"], 2),
        *(percent(share) for share in (952 / 1344, 1 / 6)),
    }


def test_no_record_names_a_folder_of_one_machine():
    for record in (ROOT / "experiments").rglob("*.json"):
        assert not re.search(r'"[^"]*=/', record.read_text()), record


def test_a_run_is_compared_with_its_control_when_that_is_better_than_its_start():
    from result_tables.runs import find_reference, read_runs

    longer = next(run for run in read_runs("dense") if run["weights"])
    runs = {run["run"]: run for run in read_runs("small")}
    trained_long = runs["study-small-0.002"]
    assert trained_long["weights"] == longer["weights"]
    assert find_reference(trained_long) == longer
    assert longer["dense"]["accuracy"] > trained_long["dense"]["accuracy"]
    alone = {**trained_long, "weights": "of_no_control.safetensors"}
    assert find_reference(alone) == alone


def test_a_run_that_trained_its_own_dense_network_has_the_control_of_its_architecture(monkeypatch):
    from result_tables import runs

    made = {"model": "vgg11", "stem": "cifar", "width": 1.0}
    control = {**made, "weights": "dense.safetensors", "epochs": {"dense": 5}, "dense": {"accuracy": 0.9}}
    monkeypatch.setattr(runs, "read_runs", lambda letter: [control] if letter == "control" else [])
    pruned = {**made, "weights": None, "epochs": {"dense": 12, "prune": 5}}
    assert runs.find_control(pruned) == control
    assert runs.find_control({**pruned, "stem": "imagenet"}) is None
    assert runs.find_control({**pruned, "width": 0.5}) is None
