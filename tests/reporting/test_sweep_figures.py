import random
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from compression.reporting.figures.accuracy_steps import MAX_NAMED, Course, draw_accuracy_steps
from compression.reporting.figures.parallel_coordinates import DEFAULT, Coordinate, draw_parallel_coordinates
from compression.reporting.figures.pareto import MAX_NUMBERED, Axis, Point, draw_pareto

BYTES = Axis("file on disk, log scale", "bytes")
NUMBERS = (1, 2, 3, 12, 200, 1000)


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


def overlaps(figure):
    """Pairs of texts that cover each other."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
    texts += [label for axes in figure.axes for label in axes.get_xticklabels() + axes.get_yticklabels()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    # Half a pixel of touching is none.
    boxes = [(text, box.padded(-0.5)) for text, box in boxes]
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]


@pytest.mark.parametrize("num", NUMBERS)
def test_fronts_are_readable_with_any_number_of_jobs(num):
    figure = draw(num, picked=range(min(num, 3)))
    assert overlaps(figure) == []
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert 1 <= len(numbers) <= MAX_NUMBERED
    key = [text.get_text() for text in figure.texts]
    assert sum("best" in text for text in key) == min(num, 3)


def test_key_says_whose_a_number_is():
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


def test_a_few_collapsed_models_do_not_press_the_rest_together():
    made, front = points(12)
    made.append(Point(x=2.0**18, y=10.0, label="gone", group="grid"))
    figure = draw_pareto(made, front=front, dense=[], axis=BYTES, accuracy="accuracy, %", title="title")
    assert figure.axes[0].get_ylim()[0] > 60
    assert any("1 below" in text.get_text() and "10.0 %" in text.get_text() for text in figure.legends[0].get_texts())


def test_nothing_to_draw_is_said():
    figure = draw_pareto([], front=[], dense=[], axis=BYTES, accuracy="", title="")
    assert "No finished job" in figure.texts[0].get_text()
    assert (
        "No finished job" in draw_parallel_coordinates([], colour_by=[], colour_name="", title="").texts[0].get_text()
    )
    assert "No job pruned" in draw_accuracy_steps([], title="").texts[0].get_text()


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (100 * 2**10, 110 * 2**10), (2**10, 2**30), (2**23, 2**24)])
def test_bytes_have_marks_with_units_at_any_span(low, high):
    made = [Point(x=float(x), y=90.0, label=str(x), group="grid") for x in (low, high)]
    figure = draw_pareto(made, front=[0], dense=[], axis=BYTES, accuracy="", title="")
    FigureCanvasAgg(figure).draw()
    marks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert 2 <= len(marks) <= 10
    assert all(mark.endswith(("KiB", "MiB")) for mark in marks)


@pytest.mark.parametrize("num", NUMBERS)
def test_parallel_coordinates_with_any_number_of_jobs(num):
    draw = random.Random(num)
    accuracy = [draw.uniform(80, 99) for _ in range(num)]
    coordinates = [
        Coordinate("sparsity", [draw.choice([0.5, 0.7, 0.9, 0.95]) for _ in range(num)], asked=True),
        Coordinate("strategy", [draw.choice(["gmp", "rigl", "snip"]) for _ in range(num)], asked=True),
        Coordinate("file, KiB, log", [2.0 ** draw.uniform(17, 22) for _ in range(num)], log=True, unit_scale=1024),
        Coordinate("validation\naccuracy, %", accuracy),
    ]
    best = [(index, f"best {index}") for index in range(min(num, 3))]
    figure = draw_parallel_coordinates(
        coordinates, colour_by=accuracy, colour_name="validation accuracy, %", highlighted=best, title="title"
    )
    assert overlaps(figure) == []
    assert len(figure.axes[0].collections[0].get_paths()) == num


def test_what_was_not_asked_for_is_the_default():
    figure = draw_parallel_coordinates(
        [Coordinate("steps", [None, 2, 5], asked=True)], colour_by=[1.0, 2.0, 3.0], colour_name="", title=""
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {DEFAULT, "2", "5"} <= set(texts)
    assert [path.vertices[0, 1] for path in figure.axes[0].collections[0].get_paths()] == [0.0, 0.5, 1.0]


def test_a_floor_is_marked_as_one():
    values = [10.0, 80.0, 90.0]
    figure = draw_parallel_coordinates(
        [Coordinate("accuracy", values, floor=70.0)], colour_by=values, colour_name="", colour_floor=70.0, title=""
    )
    assert "≤ 70" in [text.get_text() for text in figure.axes[0].texts]


def courses(num):
    return [
        Course(f"sparsity 0.{i}", [0, 1, 2], [0.0, 0.3, 0.5 + 0.4 * i / num], [0.98, 0.97, 0.96 - 0.1 * i / num])
        for i in range(num)
    ]


@pytest.mark.parametrize("num", NUMBERS)
def test_steps_are_named_while_they_are_few(num):
    figure = draw_accuracy_steps(courses(num), title="title")
    assert overlaps(figure) == []
    assert len(figure.axes[0].texts) == (num if num <= MAX_NAMED else 0)


def test_a_line_by_hand():
    figure = draw_accuracy_steps([Course("a", [0, 1], [0.0, 0.5], [0.9, 0.8])], title="title")
    line = figure.axes[0].lines[0]
    assert line.get_xydata().tolist() == [[0.0, 90.0], [1.0, 80.0]]
    assert figure.axes[0].texts[0].get_text() == "a: 80.0"


def test_baselines_are_dashed():
    figure = draw_accuracy_steps([*courses(2), Course("r", [0, 1], [0, 0.5], [0.9, 0.5], baseline=True)], title="")
    styles = {line.get_linestyle() for line in figure.axes[0].lines}
    assert styles == {"-", "--"}
