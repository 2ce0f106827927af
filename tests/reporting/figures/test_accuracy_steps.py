import pytest
from figure_texts import overlaps

from compression.reporting.figures.accuracy_steps import MAX_NAMED, Course, draw_accuracy_steps

# Numbers of jobs, from one to a large sweep.
NUMBERS = (1, 2, 3, 12, pytest.param(200, marks=pytest.mark.slow), 1000)


def courses(num):
    return [
        Course(f"sparsity 0.{i}", [0, 1, 2], [0.0, 0.3, 0.5 + 0.4 * i / num], [0.98, 0.97, 0.96 - 0.1 * i / num])
        for i in range(num)
    ]


@pytest.mark.parametrize("num", NUMBERS)
def test_lines_are_named_if_they_are_few(num):
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


def test_nothing_to_draw_is_said():
    assert "No job recorded its accuracy" in draw_accuracy_steps([], title="").texts[0].get_text()
