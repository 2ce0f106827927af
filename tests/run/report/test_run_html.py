"""The page of a run or an analysis, from the files in its folder."""

import json
import shutil

import pytest
from page_records import EVIL, make_failures, save_run
from page_text import Elements
from small_files import save_colours

from compression.core.errors import InputError
from compression.run.report.run_html import (
    find_analysis,
    read_histories,
    write_failure_html,
    write_histories,
    write_run_html,
)


@pytest.fixture
def folder(tmp_path):
    return save_run(tmp_path / "run")


def test_everything_in_the_folder_is_in_the_page(folder):
    path = write_run_html(folder)
    assert path == folder / "report.html"
    elements = Elements(path.read_text())
    names = {attrs.get("id") for tag, attrs in elements.tags if tag == "section"}
    sections = {
        "change",
        "failures",
        "layers",
        "robustness",
        "size",
        "speed",
        "integers",
        "training",
        "weights",
        "making",
    }
    assert names == sections
    assert elements.loaded() == []
    assert "sparsity: 0.9" in elements.text
    assert path.stat().st_size < 2 << 20


def test_a_folder_with_metrics_alone_has_a_page(folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "metrics.json", bare)
    elements = Elements(write_run_html(bare).read_text())
    assert "8.00x smaller" in elements.text
    assert not any(tag == "img" for tag, _ in elements.tags)


def test_bytes_that_are_not_on_record_are_counted_in_the_file(folder):
    save_colours(folder / "model.cmp", [[0.0, 2.0, 3.0], [4.0, 0.0, 0.0]], bias=(7.0, 8.0))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert "700,000" in Elements(write_run_html(folder).read_text()).text
    for key in ("parts", "formula"):
        del metrics["compressed"]["bytes"][key]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    text = Elements(write_run_html(folder).read_text()).text
    assert "header, checksums" in text
    # 3 weights of 32 bits and gaps of 3 bits: 105 bits.
    assert " 14 " in text.replace("\n", " ")
    (folder / "model.cmp").write_bytes(b"no model")
    assert "header, checksums" not in Elements(write_run_html(folder).read_text()).text


def test_epochs_come_from_the_run_or_from_the_store_beside_it(tmp_path):
    run = tmp_path / "sweep" / "job"
    run.mkdir(parents=True)
    assert read_histories(run) == {}
    (run / "stages.txt").write_text("dense-1\nprune-2\n../dense-1\nmissing-3\n")
    for name, rows in (("dense-1", [{"epoch": 1, "val/accuracy": 0.5, "odd": None}]), ("prune-2", [])):
        stage = tmp_path / "store" / name
        stage.mkdir(parents=True)
        key = {"stage": name.split("-")[0], "version": 1, "inputs": {}, "parents": []}
        record = {"key": key, "invocation": "x", "results": {"history": rows}, "seconds": 1.0}
        (stage / "stage.json").write_text(json.dumps(record))
    assert read_histories(run) == {"dense": [{"epoch": 1, "val/accuracy": 0.5}]}
    write_histories(run, {"dense": [{"epoch": 2, "val/accuracy": 0.75}]})
    assert read_histories(run) == {"dense": [{"epoch": 2, "val/accuracy": 0.75}]}


@pytest.mark.parametrize("text", ["[]", '{"dense": 3}', '{"dense": [3]}', '{"dense": [{"epoch": "x"}]}'])
def test_odd_epochs_stop_nothing(folder, text):
    (folder / "training_history.json").write_text(text)
    write_run_html(folder)


@pytest.mark.parametrize("name", ["metrics.json", "failure_analysis/failure_modes.json"])
@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}', '{"schema_version": 99}'])
def test_a_damaged_record_is_refused_in_one_line(folder, name, text):
    (folder / name).write_text(text)
    with pytest.raises(InputError) as raised:
        write_run_html(folder)
    assert "\n" not in str(raised.value)
    assert not (folder / "report.html").exists()


def test_an_analysis_is_found_in_a_folder_or_below_it(tmp_path):
    assert find_analysis(tmp_path) is None
    with pytest.raises(InputError, match="no failure_modes"):
        write_failure_html(tmp_path)
    (tmp_path / "failure_analysis").mkdir()
    document = json.dumps(make_failures(single=True))
    (tmp_path / "failure_analysis" / "failure_modes.json").write_text(document)
    assert find_analysis(tmp_path) == tmp_path / "failure_analysis"
    path = write_failure_html(tmp_path, remake=("python -m compression analyze model.cmp",))
    assert path == tmp_path / "report.html"
    assert "compression analyze" in path.read_text()
    assert EVIL in Elements(path.read_text()).text
    (tmp_path / "failure_modes.json").write_text(document)
    assert find_analysis(tmp_path) == tmp_path
