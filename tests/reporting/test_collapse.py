import pytest

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.figures.pareto import Axis, Point, draw_pareto


@pytest.mark.parametrize(("further", "collapsed"), [(0.0, False), (0.1, True)])
def test_only_models_beyond_the_limit_count_as_collapsed(further, collapsed):
    accuracies = [95.0, 94.0, 95.0 - COLLAPSED_POINTS - further]
    made = [Point(x=1000.0 * 2**i, y=y, label=str(y), group="grid") for i, y in enumerate(accuracies)]
    axis = Axis("file on disk, log scale", "bytes")
    figure = draw_pareto(made, front=[0], dense=[], axis=axis, accuracy="accuracy, %", title="title")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any("1 below" in text for text in legend) == collapsed
