"""What ran beside what was asked for, in every table of a sweep."""

import csv
import io
import json

import pytest
from rich.console import Console
from sweep_folders import Folder, make_metrics

from compression.reporting.hparams import make_row
from compression.reporting.metrics_reader import read_measured
from compression.sweep.report.actual_bits import describe_actual, describe_bits, describe_machines
from compression.sweep.report.board_columns import list_board_rows, list_columns
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend
from compression.sweep.report.records import read_records
from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate

OLD, NEW = "Old without VNNI", "New with VNNI"


def make(arithmetic="W7A8, executed in integers", *, bits=(7,), reduced=True, processor=OLD, **more):
    document = make_metrics(**more)
    document["quantization"] |= {
        "arithmetic": arithmetic,
        "reduced_range": reduced,
        "layers": [{"weight_bits": one, "activation_bits": 8} for one in bits],
    }
    document["provenance"]["stages"] = {"evaluate": {"machine": {"processor": processor}}}
    return document


def make_new(**more):
    return make("W8A8, executed in integers", bits=(8,), reduced=False, processor=NEW, **more)


@pytest.mark.parametrize(
    ("document", "actual", "told"),
    [
        (make(), "W7A8 executed", "W7A8 executed (asked for W8A8)"),
        (make_new(), "W8A8 executed", "W8A8 executed"),
        (
            make("W4-7A8, simulated, stored packed", bits=(4, 7)),
            "W4-7A8 simulated",
            "W4-7A8 simulated (asked for W8A8)",
        ),
        (make("W8A8 dynamic, executed in integers", bits=(8,)), "W8A8 dynamic executed", "W8A8 dynamic executed"),
        (make_metrics(weight_bits=32), "float32", "float32"),
        # A record of an earlier version.
        (make_metrics(), "-", "-"),
    ],
)
def test_arithmetic_in_words(document, actual, told):
    run = read_measured(document)
    assert (describe_actual(run), describe_bits(run)) == (actual, told)


def test_tensorboard_has_both():
    row = make_row(make("W4-7A8, simulated, stored packed", bits=(4, 7)))
    assert (row["weight_bits"], row["actual_weight_bits_min"], row["actual_weight_bits_max"]) == (8, 4, 7)
    assert (row["activation_bits"], row["actual_activation_bits_min"], row["reduced_range"]) == (8, 8, 1)


@pytest.fixture
def machines(tmp_path):
    """Two jobs that asked for 8 bits, made on two machines."""
    folder = Folder(tmp_path / "machines", {"sparsity": [0.5, 0.9]})
    folder.add("a", {"sparsity": 0.5}, metrics=make_new(val=0.97))
    folder.add("b", {"sparsity": 0.9}, metrics=make(val=0.96))
    return folder


@pytest.mark.usefixtures("without_pictures")
def test_the_table_of_jobs_has_asked_and_actual_bits(machines):
    aggregate(machines.path)
    with (machines.path / "results.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] != "dense"]
    keys = (
        "weight_bits",
        "actual_weight_bits_min",
        "actual_weight_bits_max",
        "reduced_range",
        "arithmetic",
        "processor",
    )
    assert [[row[key] for key in keys] for row in rows] == [
        ["8", "8", "8", "0", "W8A8, executed in integers", NEW],
        ["8", "7", "7", "1", "W7A8, executed in integers", OLD],
    ]
    again = [job.measured for job in read_results(machines.path).jobs]
    assert [(run.actual_weight_bits, run.reduced_range, run.processor) for run in again] == [
        ((8, 8), False, NEW),
        ((7, 7), True, OLD),
    ]


@pytest.mark.usefixtures("without_pictures")
def test_leaderboard_picks_and_recommendation_say_what_ran(machines):
    result = aggregate(machines.path)
    stream = io.StringIO()
    Console(file=stream, width=200).print(result.to_rich())
    report = (machines.path / "report.md").read_text()
    assert "| 2 | s90 | 96.00 | 96.00 | +2.00 | W7A8 executed |" in report
    assert "b, 96.00 % validation" not in report
    assert "a, 97.00 % validation, 96.00 % test (2.00 points lost), W8A8 executed, 1.00 MiB" in report
    assert "W7A8 executed" in stream.getvalue()
    found = json.loads((machines.path / "results.json").read_text())["leaderboard"]
    assert [one["arithmetic"] for one in found] == [["W8A8 executed"], ["W7A8 executed"]]
    best = recommend(machines.path, Limits(max_drop=5.0))
    stream = io.StringIO()
    Console(file=stream, width=300).print(best.to_rich())
    assert "1.50 points lost, W8A8 executed, 1.00 MiB" in stream.getvalue()


@pytest.mark.usefixtures("without_pictures")
def test_jobs_of_several_machines_say_so(machines):
    rounded = "weights of 8 bits were rounded to 7 in 1 job (b), because the processor lacks VNNI and sums of their "
    notes = [
        f"{rounded}products could saturate; 1 job (a) kept 8 bits",
        f"jobs were measured on 2 processors, whose latencies do not compare: {NEW} (1 job), {OLD} (1 job)",
    ]
    result = aggregate(machines.path)
    assert describe_machines(result.ranking.sweep.jobs) == notes
    assert json.loads((machines.path / "results.json").read_text())["notes"] == notes
    report = (machines.path / "report.md").read_text()
    assert all(f"Note: {note}." in report for note in notes)


def test_jobs_of_one_machine_that_kept_their_bits_need_no_note(tmp_path):
    folder = Folder(tmp_path / "one", {"sparsity": [0.5, 0.9]})
    for name, sparsity in (("a", 0.5), ("b", 0.9)):
        folder.add(name, {"sparsity": sparsity}, metrics=make_new())
    assert describe_machines(read_records(folder.path).jobs) == []


def test_seeds_of_one_configuration_on_two_machines_show_both(tmp_path):
    folder = Folder(tmp_path / "seeds", {"sparsity": [0.5], "seed": [1, 2]})
    folder.add("a", {"sparsity": 0.5, "seed": 1}, metrics=make_new(seed=1))
    folder.add("b", {"sparsity": 0.5, "seed": 2}, metrics=make(seed=2))
    ranking = rank_sweep(read_records(folder.path))
    [column] = [column for column in list_columns(ranking) if column.name == "arithmetic"]
    assert [row.cells[0].text for row in list_board_rows(ranking, [column])] == [
        "W8A8 executed / W7A8 executed",
        "float32",
    ]
