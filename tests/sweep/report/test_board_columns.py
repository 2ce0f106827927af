"""The columns of the leaderboard: one list for the terminal, report.md and the page."""

import pytest
from sweep_folders import Folder, make_metrics

from compression.sweep.report.board_columns import list_board_rows, list_columns, name_lost
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_board import list_board
from compression.sweep.report.sweep_markdown import to_markdown
from compression.sweep.report.sweep_page import make_sweep_page
from compression.sweep.report.sweep_report import aggregate
from compression.sweep.report.sweep_result import make_result

NAMES = [
    *("place", "configuration", "validation, %", "test, %", "test points lost", "sparsity, %", "file"),
    *("ratio", "latency, ms", "engine", "speed-up"),
]


def analyzed(document):
    """Return the document with an analysis and with counts of two classes: 27 of 30 and 3 of 6."""
    document["compressed"]["classes"] = {"free": [27, 30], "fray": [3, 6]}
    side = {
        "accuracy": {"value": 30 / 36, "low": 0.68, "high": 0.92},
        "balanced_accuracy": {"value": 0.7, "low": 0.5, "high": 0.85},
        "worst_class": {"name": "fray", "recall": 0.5},
    }
    document["failure_modes"] = {"dense": side, "compressed": side}
    return document


def ranking_of(path, *documents):
    folder = Folder(path, {"sparsity": list(range(len(documents)))})
    for number, document in enumerate(documents):
        folder.add(f"j{number}", {"sparsity": number}, metrics=document)
    return rank_sweep(read_records(folder.path))


def test_every_form_of_the_report_has_the_same_columns(tmp_path):
    ranking = ranking_of(tmp_path / "plain", make_metrics())
    assert [column.name for column in list_columns(ranking)] == NAMES
    assert sorted(list_board(ranking).columns) == sorted(NAMES)
    assert f"| {' | '.join(NAMES)} |" in to_markdown(make_result(ranking.sweep), {})


def test_the_arithmetic_is_a_column_if_it_is_on_record(tmp_path):
    document = make_metrics()
    document["quantization"] |= {"arithmetic": "W8A8, executed in integers", "layers": []}
    ranking = ranking_of(tmp_path, document, make_metrics())
    assert [column.name for column in list_columns(ranking)] == [*NAMES[:5], "arithmetic", *NAMES[5:]]
    result = make_result(ranking.sweep)
    page = make_sweep_page(ranking, picks=result.picks, fronts=result.fronts, notes=[])
    assert "arithmetic" in page.headline.columns
    assert [cell.text for cell in page.headline.cells[-1]][1:5] == ["dense", "98.50", "98.00", "float32"]


def test_an_analysis_adds_intervals_and_the_worst_class(tmp_path):
    ranking = ranking_of(tmp_path / "analyzed", analyzed(make_metrics()), make_metrics(val=0.9))
    columns = list_columns(ranking)
    names = [column.name for column in columns]
    assert names[3:7] == ["test, %", "accuracy (95 % interval), %", "balanced accuracy, %", "worst class, %"]
    texts = [[cell.text for cell in row.cells[4:7]] for row in list_board_rows(ranking, columns)]
    # Wilson's intervals of 30 of 36 and of 3 of 6 images.
    assert texts[0][0] == "83.33 (68.11 to 92.13)"
    assert texts[0][1].startswith("70.00 (")
    assert texts[0][2] == "fray 50.00 (18.76 to 81.24)"
    # A job without counts, and the dense model.
    assert texts[1:] == [["-"] * 3] * 2


def test_without_an_analysis_counts_alone_add_no_columns(tmp_path):
    document = analyzed(make_metrics())
    del document["failure_modes"]
    assert [column.name for column in list_columns(ranking_of(tmp_path / "counts", document))] == NAMES


@pytest.mark.usefixtures("without_pictures")
def test_the_table_of_jobs_has_the_figures_of_the_analysis(tmp_path):
    ranking = ranking_of(tmp_path / "analyzed", analyzed(make_metrics()))
    aggregate(ranking.sweep.folder)
    header, row = ((ranking.sweep.folder / "results.csv").read_text().splitlines()[i].split(",") for i in (0, 1))
    found = dict(zip(header, row, strict=False))
    assert "worst_class" in found
    text = (ranking.sweep.folder / "results.csv").read_text()
    assert text.count("0.68,0.92,0.7,0.5,0.85,fray,0.5") == 1


def test_a_heading_of_losses_says_on_which_images(tmp_path):
    ranking = ranking_of(tmp_path / "val", make_metrics())
    assert name_lost(ranking, by_test=False) == "validation points lost"
    assert name_lost(ranking, by_test=True) == "test points lost"
    document = make_metrics()
    document["run"]["val_accuracy"] = {}
    ranking = ranking_of(tmp_path / "test", document)
    assert name_lost(ranking, by_test=False) == "test points lost"
