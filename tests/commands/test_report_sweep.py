import json
import shutil

import pytest
from page_records import make_failures, save_run
from page_text import Elements
from runs import ROOT
from small_files import run
from sweep_folders import make_grid

from compression.core.file_names import PICTURES
from compression.reporting import figures


def test_tables_and_pictures_are_written_again_from_the_records(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "DPI", 40)
    folder = make_grid(tmp_path / "sweep", sparsities=[0.5, 0.9], bits=[8], baselines=False).path
    assert not (folder / "results.csv").exists()
    result = run("report", folder)
    assert result.exit_code == 0, result.output
    assert "results.csv" in result.stdout
    first = (folder / "results.csv").read_bytes()
    assert list((folder / PICTURES).glob("*.png"))
    # A deleted file is written again with the same content.
    (folder / "results.csv").unlink()
    assert run("report", folder).stdout == result.stdout
    assert (folder / "results.csv").read_bytes() == first


def test_the_page_of_a_run_is_written_again(tmp_path):
    folder = save_run(tmp_path / "run")
    result = run("report", folder, "--html")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"in {folder}: report.html\n"
    assert "8.00x smaller" in Elements((folder / "report.html").read_text()).text


def test_only_the_page_of_a_sweep_is_written_again(tmp_path):
    folder = make_grid(tmp_path / "sweep", sparsities=[0.5, 0.9], bits=[8], baselines=False).path
    assert run("report", folder, "--html").exit_code == 0
    assert (folder / "report.html").exists()
    assert not (folder / "results.csv").exists()


def test_a_published_table_has_a_page(tmp_path):
    shutil.copy(ROOT / "experiments" / "studies" / "b" / "results.csv", tmp_path)
    assert run("report", tmp_path, "--html").exit_code == 0
    elements = Elements((tmp_path / "report.html").read_text())
    assert len([1 for tag, attrs in elements.tags if tag == "tr" and "data-id" in attrs]) == 12
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "results.csv"}


def test_an_analysis_has_a_page(tmp_path):
    (tmp_path / "failure_modes.json").write_text(json.dumps(make_failures()))
    assert run("report", tmp_path, "--html").exit_code == 0
    assert "more than chance" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("text", [None, "{"])
def test_a_folder_without_usable_records_is_one_line(tmp_path, text):
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    result = run("report", tmp_path, "--html")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
