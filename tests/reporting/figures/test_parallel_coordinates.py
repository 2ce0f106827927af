import random

import pytest
from figure_texts import overlaps

from compression.reporting.figures.parallel_coordinates import DEFAULT, Coordinate, draw_parallel_coordinates

# Numbers of jobs, from one to a large sweep.
NUMBERS = (1, 2, 3, 12, pytest.param(200, marks=pytest.mark.slow), 1000)


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


def test_missing_settings_are_labelled_default():
    figure = draw_parallel_coordinates(
        [Coordinate("steps", [None, 2, 5], asked=True)], colour_by=[1.0, 2.0, 3.0], colour_name="", title=""
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert {DEFAULT, "2", "5"} <= set(texts)
    assert [path.vertices[0, 1] for path in figure.axes[0].collections[0].get_paths()] == [0.0, 0.5, 1.0]


def test_a_floor_is_marked():
    values = [10.0, 80.0, 90.0]
    figure = draw_parallel_coordinates(
        [Coordinate("accuracy", values, floor=70.0)], colour_by=values, colour_name="", colour_floor=70.0, title=""
    )
    assert "≤ 70" in [text.get_text() for text in figure.axes[0].texts]


def test_nothing_to_draw_is_said():
    figure = draw_parallel_coordinates([], colour_by=[], colour_name="", title="")
    assert "No finished job" in figure.texts[0].get_text()
