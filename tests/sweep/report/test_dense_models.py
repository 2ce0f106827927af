"""The dense models of a sweep, and their rows in every table."""

import io
import json

import pytest
from rich.console import Console
from sweep_folders import Folder, make_metrics

from compression.sweep.report.dense_models import list_dense_models
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_page import make_sweep_page
from compression.sweep.report.sweep_report import aggregate


def make(dense="d42", **more):
    document = make_metrics(**more)
    document["run"]["stages"]["dense"] = dense
    return document


def list_models(folder):
    return list_dense_models(rank_sweep(read_records(folder.path)))


def test_configurations_that_share_a_training_share_the_model(folder):
    folder.add("a", {"sparsity": 0.5}, metrics=make())
    folder.add("b", {"sparsity": 0.9}, metrics=make(milliseconds=0.3))
    folder.add("c", {"sparsity": 0.9}, kind="small_dense", metrics=make("narrow", dense_val=0.9))
    [one] = list_models(folder)
    assert (one.label, one.num, one.score.mean, one.val.mean, one.test.mean) == ("dense", 1, 0.985, 0.985, 0.98)
    assert (one.bytes, one.milliseconds, one.engine) == (2**23, 1.0, "onnxruntime")


def test_seeds_are_averaged(folder):
    for seed, val in ((1, 0.98), (2, 0.96)):
        for sparsity in (0.5, 0.9):
            made = make(f"d{seed}", dense_val=val, seed=seed)
            folder.add(f"{sparsity}-{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    [one] = list_models(folder)
    assert (one.num, one.score.num, one.score.mean) == (2, 2, pytest.approx(0.97))


def test_several_networks_are_named_by_their_own_settings(tmp_path):
    folder = Folder(tmp_path / "two", {"model": ["vgg11", "resnet18"], "sparsity": [0.5, 0.9]})
    for model, size in (("vgg11", 2**24), ("resnet18", 2**23)):
        for sparsity in (0.5, 0.9):
            made = make(model, dense_bytes=size)
            folder.add(f"{model}-{sparsity}", {"model": model, "sparsity": sparsity}, metrics=made)
    assert [(one.label, one.bytes) for one in list_models(folder)] == [
        ("dense vgg11", 2**24),
        ("dense resnet18", 2**23),
    ]


def test_models_without_an_id_are_told_apart_by_their_numbers(folder):
    for name, dense_val in (("a", 0.98), ("b", 0.98), ("c", 0.9)):
        made = make(None, dense_val=dense_val)
        del made["run"]["stages"]["dense"]
        folder.add(name, {"sparsity": name}, metrics=made)
    assert [one.val.mean for one in list_models(folder)] == [0.98, 0.9]


def test_a_dense_row_stands_in_every_table(folder):
    document = make(accuracy=0.985, val=0.99)
    folder.add("a", {"sparsity": 0.5}, metrics=make(accuracy=0.96, val=0.965))
    folder.add("b", {"sparsity": 0.9}, metrics=document)
    result = aggregate(folder.path)
    report = (folder.path / "report.md").read_text()
    header = "| place | configuration | validation, % | test, % | test points lost | sparsity, % | file |"
    assert header in report
    # A loss has a plus, and a gain a minus, as in the picks and in the recommendation.
    assert "| 2 | s50 | 96.50 | 96.00 | +2.00 | 50.0 | 1.00 MiB | 8.00x | 0.5 | onnxruntime | 2.00x |" in report
    assert "| 1 | s90 | 99.00 | 98.50 | -0.50 |" in report
    assert "| - | dense | 98.50 | 98.00 | 0.00 | 0.0 | 8.00 MiB | 1.00x | 1 | onnxruntime | 1.00x |" in report
    assert "b, 99.00 % validation, 98.50 % test (0.50 points gained)" in report
    stream = io.StringIO()
    Console(file=stream, width=140).print(result.to_rich())
    assert [line.split()[:4] for line in stream.getvalue().splitlines() if " dense " in line][:1] == [
        ["-", "dense", "98.50", "98.00"]
    ]
    assert "test lost" in stream.getvalue()
    page = make_sweep_page(result.ranking, picks=result.picks, fronts=result.fronts, notes=[])
    board = next(block for section in page.sections for block in section.blocks if getattr(block, "ids", None))
    assert [row[0].text for row in board.cells] == ["s90", "s50", "dense"]
    assert "test points lost" in board.columns
    assert [cell.text for cell in page.headline.cells[-1]][1:4] == ["dense", "98.50", "98.00"]
    assert json.loads((folder.path / "results.json").read_text())["dense"][0]["model"] == "dense"
    stream = io.StringIO()
    Console(file=stream, width=200).print(recommend(folder.path, Limits(max_drop=1.0, max_bytes=2**21)).to_rich())
    text = stream.getvalue()
    assert "0.50 points gained, 1.00 MiB" in text
    assert "on test images 98.50 %, 0.50 points gained" in text
    assert "validation points lost" in text
    assert [line.split() for line in text.splitlines() if line.strip().startswith(("s50", "dense"))] == [
        ["s50", "96.50", "+2.00", "(+1.00)", "1.00", "MiB"],
        ["dense", "98.50", "0.00", "8.00", "MiB"],
    ]
