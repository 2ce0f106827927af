"""Positions of the texts of a picture."""

from itertools import combinations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return pairs of texts that overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts] + list(figure.texts)
    texts += [label for axes in figure.axes for label in axes.get_xticklabels() + axes.get_yticklabels()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    # An overlap of half a pixel does not count.
    boxes = [(text, box.padded(-0.5)) for text, box in boxes]
    return [(one, other) for (one, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)]
