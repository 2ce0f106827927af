import numpy as np
import pytest
from figure_texts import overlaps
from matplotlib.figure import Figure

from compression.reporting.figures.example_grid import (
    CELL_HEIGHT,
    CELL_WIDTH,
    Example,
    caption,
    draw_grid,
    fit_image,
    write_confidence,
)


def test_small_images_grow_by_a_whole_factor():
    image = np.array([[[10], [20]]], np.uint8)
    fitted = fit_image(image, side=5)
    assert fitted.shape == (2, 4, 3)
    assert fitted[0].tolist() == [[10] * 3, [10] * 3, [20] * 3, [20] * 3]


@pytest.mark.parametrize(
    ("shape", "expected"), [((200, 100, 3), (50, 25, 3)), ((100, 500, 1), (10, 50, 3)), ((30, 30, 3), (50, 50, 3))]
)
def test_other_images_fill_the_box(shape, expected):
    fitted = fit_image(np.full(shape, 7, np.uint8), side=50)
    assert fitted.shape == expected
    assert (fitted == 7).all()


def test_captions_fit_their_cell():
    assert caption("now", "cat", confidence=0.934) == "now cat 0.93"
    assert caption("true:", "cat") == "true: cat"
    assert caption("", "cat", confidence=1.0) == "cat 1.00"
    assert len(caption("now", "a very long name of a class", confidence=0.5)) <= 22
    assert [write_confidence(one) for one in (0.9, 0.994, 0.99999, 1.0)] == ["0.90", "0.994", "0.999", "1.00"]


@pytest.mark.parametrize("num", [1, 4, 7])
def test_images_are_placed_row_by_row(num):
    figure = Figure(figsize=(4 * CELL_WIDTH + 0.2, 2 * CELL_HEIGHT + 0.5))
    examples = [Example(np.full((8, 8, 1), 20 * i, np.uint8), wrong=f"w{i} 0.95", right=f"r{i}") for i in range(num)]
    draw_grid(figure, examples, columns=4, left=0.1, top=0.4)
    assert overlaps(figure) == []
    [axes] = figure.axes
    canvas = axes.images[0].get_array()
    for i in range(num):
        x, y = axes.texts[2 * i].get_position()
        assert canvas[y - 20, x].tolist() == [20 * i] * 3
        assert axes.texts[2 * i].get_text() == f"w{i} 0.95"
