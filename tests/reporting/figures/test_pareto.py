import random

import pytest
from figure_texts import overlaps
from matplotlib.backends.backend_agg import FigureCanvasAgg

from compression.reporting.figures.pareto import MAX_NUMBERED, Axis, Point, draw_pareto

BYTES = Axis("file on disk, log scale", "bytes")
# Numbers of jobs, from one to a large sweep.
NUMBERS = (1, 2, 3, 12, pytest.param(200, marks=pytest.mark.slow), 1000)


def points(num, *, low=80.0):
    draw = random.Random(num)
    made = [
        Point(x=2.0 ** draw.uniform(17, 22), y=draw.uniform(low, 99), label=f"s{i} w8", group="grid")
        for i in range(num)
    ]
    return made, sorted(range(num), key=lambda index: made[index].x)


def draw(num, *, picked=(), **kwargs):
    made, front = points(num, **kwargs)
    made = [Point(**{**vars(point), "note": "best" if index in picked else ""}) for index, point in enumerate(made)]
    return draw_pareto(made, front=front, dense=[(2.0**23, 98.5)], axis=BYTES, accuracy="accuracy, %", title="title")


@pytest.mark.parametrize("num", NUMBERS)
def test_key_is_limited_with_any_number_of_jobs(num):
    figure = draw(num, picked=range(min(num, 3)))
    assert overlaps(figure) == []
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert 1 <= len(numbers) <= MAX_NUMBERED
    key = [text.get_text() for text in figure.texts]
    assert sum("best" in text for text in key) == min(num, 3)


def test_key_names_the_numbered_points():
    made = [
        Point(x=300 * 1024, y=97.5, label="s50 w8", group="grid", half_width=0.25, note="best accuracy"),
        Point(x=200 * 1024, y=90.0, label="s90 w8", group="grid"),
    ]
    figure = draw_pareto(
        made, front=[1, 0], dense=[(2.0**23, 98.0)], axis=BYTES, accuracy="validation accuracy, %", title="title"
    )
    key = [text.get_text() for text in figure.texts]
    assert "s50 w8: 97.50 ± 0.25 %, 300.0 KiB  best accuracy" in key
    assert "s90 w8: 90.00 %, 200.0 KiB" in key
    assert figure.axes[0].get_ylabel() == "validation accuracy, %"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"grid", "dense, uncompressed"} <= set(legend)


def test_equal_points_share_a_number():
    made = [Point(x=1000.0, y=90.0, label=name, group="grid", note=name) for name in ("a", "b")]
    figure = draw_pareto(made, front=[0, 1], dense=[], axis=BYTES, accuracy="accuracy, %", title="title")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1"]
    assert "by 1" in [text.get_text() for text in figure.texts]


def test_a_few_collapsed_models_do_not_compress_the_rest():
    made, front = points(12)
    made.append(Point(x=2.0**18, y=10.0, label="gone", group="grid"))
    figure = draw_pareto(made, front=front, dense=[], axis=BYTES, accuracy="accuracy, %", title="title")
    assert figure.axes[0].get_ylim()[0] > 60
    assert any("1 below" in text.get_text() and "10.0 %" in text.get_text() for text in figure.legends[0].get_texts())


def test_nothing_to_draw_is_said():
    figure = draw_pareto([], front=[], dense=[], axis=BYTES, accuracy="", title="")
    assert "No finished job" in figure.texts[0].get_text()


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (100 * 2**10, 110 * 2**10), (2**10, 2**30), (2**23, 2**24)])
def test_bytes_have_marks_with_units_at_any_span(low, high):
    made = [Point(x=float(x), y=90.0, label=str(x), group="grid") for x in (low, high)]
    figure = draw_pareto(made, front=[0], dense=[], axis=BYTES, accuracy="", title="")
    FigureCanvasAgg(figure).draw()
    marks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert 2 <= len(marks) <= 10
    assert all(mark.endswith(("KiB", "MiB")) for mark in marks)


def test_a_time_of_zero_is_drawn():
    made = [Point(x=x, y=90.0, label=f"{x}", group="grid", note="best") for x in (0.0, 0.5)]
    axis = Axis("latency, log scale", "milliseconds")
    figure = draw_pareto(made, front=[0], dense=[(1.0, 91.0)], axis=axis, accuracy="accuracy, %", title="title")
    FigureCanvasAgg(figure).draw()
    assert figure.axes[0].get_xlim()[0] > 0
