import pytest
from figure_texts import overlaps

from compression.reporting.figures.dot_rows import place_rows, write_above, write_column


@pytest.mark.parametrize("num", [1, 2, 30])
def test_rows_have_names_and_columns(num):
    names = [f"class {row}" for row in range(num)]
    figure, axes = place_rows(names, title="title", panels=(2.0, 3.0), gaps=(1.0, 0.5))
    write_column(axes[0], names, heading="number", inches=0.8)
    write_above(axes[0], "note", x=0)
    assert overlaps(figure) == []
    assert [text.get_text() for text in axes[0].get_yticklabels()] == names
    widths = [one.get_position().width * figure.get_size_inches()[0] for one in axes]
    assert widths == pytest.approx([2.0, 3.0])
    # The first row is on top.
    assert axes[0].get_ylim() == (num - 0.5, -0.5)


def test_a_column_ends_where_asked():
    figure, [axes] = place_rows(["a"], title="title", panels=(2.0,))
    write_column(axes, ["7"], heading="number", inches=0.5)
    assert axes.texts[0].get_position() == (1.25, 0)
    assert [text.get_ha() for text in axes.texts] == ["right", "right"]
    assert len(figure.axes) == 1
