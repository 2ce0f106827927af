import pytest
from sweep_folders import Folder, make_grid

from compression.sweep.report.fronts import make_fronts
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.picks import make_picks
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_charts import draw_front_charts, draw_parallel_chart, draw_steps_chart


@pytest.fixture
def ranking(tmp_path, metrics):
    """Three configurations; the second dominates the third."""
    folder = Folder(tmp_path / "three", {"sparsity": [0.5, 0.7, 0.9]})
    jobs = (("a", 0.5, 0.98, 2**20), ("b", 0.7, 0.96, 2**19), ("c", 0.9, 0.95, 2**19 + 1))
    for name, sparsity, val, num_bytes in jobs:
        history = [{"step": 1, "sparsity": sparsity, "accuracy_after": val}]
        document = metrics(val=val, num_bytes=num_bytes, sparsity=sparsity, history=history, prune=name)
        folder.add(name, {"sparsity": sparsity}, metrics=document)
    return rank_sweep(read_records(folder.path))


def values(chart, name):
    return next(data["values"] for data in chart.spec["data"] if data["name"] == name)


def test_a_front_has_its_members_and_units(ranking):
    picks = make_picks(ranking)
    charts = {chart.name: chart for chart in draw_front_charts(ranking, make_fronts(ranking), picks)}
    chart = charts["front-bytes"]
    assert [(point["x"], point["y"]) for point in values(chart, "points")] == [
        (1024.0, pytest.approx(98.0)),
        (512.0, pytest.approx(96.0)),
        (512 + 1 / 1024, pytest.approx(95.0)),
    ]
    assert [point["x"] for point in values(chart, "front")] == [512.0, 1024.0]
    assert values(chart, "dense") == [{"x": 8192.0, "y": pytest.approx(98.5)}]
    assert "on the front: s70, s50" in chart.description or "on the front: s50, s70" in chart.description
    assert [point["x"] for point in values(charts["front-sparsity"], "points")] == pytest.approx([50.0, 70.0, 90.0])


def test_heights_on_the_axes_are_those_of_the_values(ranking):
    chart = draw_parallel_chart(ranking, [])
    names = [" ".join(axis["name"]) for axis in values(chart, "axes")]
    assert names == ["sparsity", "file, KiB", "latency, ms", "validation accuracy, %", "test accuracy, %"]
    rows = values(chart, "rows")
    at = names.index("sparsity")
    assert [row[f"c{at}"] for row in rows] == [0.0, 0.5, 1.0]
    at = names.index("validation accuracy, %")
    assert [row[f"c{at}"] for row in rows] == pytest.approx([1.0, 1 / 3, 0.0], abs=1e-4)
    assert [row["colour"] for row in rows] == pytest.approx([1.0, 1 / 3, 0.0], abs=1e-3)


def test_steps_begin_with_the_dense_model(ranking):
    chart = draw_steps_chart(ranking)
    assert chart is not None
    first = [point for point in values(chart, "points") if point["ids"] == [0]]
    assert [(point["x"], point["y"]) for point in first] == [(0.0, pytest.approx(98.5)), (1.0, pytest.approx(98.0))]


def test_seeds_of_a_configuration_share_its_fading(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], seeds=(1, 2), baselines=False)
    chart = draw_steps_chart(rank_sweep(read_records(tmp_path / "grid")))
    lines = {point["line"]: tuple(point["ids"]) for point in values(chart, "points")}
    # Four prunings: two sparsities with two seeds; each is shared by the configurations of both widths.
    assert len(lines) == 4
    assert len(set(lines.values())) == 2
    assert all(len(ids) == 2 for ids in lines.values())
