"""Layout of pictures with one row per class or job: names at the left, dots in the middle, numbers at the right."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.reporting.figures.style import INK, SMALL, TITLE, remove_frame

# Inches. The layout is made by hand, because a layout engine would take longer than the drawing.
PANEL_WIDTH = 4.4
_TOP, _BOTTOM, _EDGE, _LETTER = 0.62, 0.5, 0.1, 0.075


def place_rows(
    names: Sequence[str],
    *,
    title: str,
    row_height: float = 0.26,
    panels: Sequence[float] = (PANEL_WIDTH,),
    gaps: Sequence[float] = (1.0,),
) -> tuple[Figure, list[Axes]]:
    """Return a picture with a row per name, the first on top, and its panels from left to right.

    ``panels`` are the widths in inches, and ``gaps`` the space right of each for columns of numbers.
    """
    left = 0.2 + _LETTER * max(map(len, names))
    tall = row_height * len(names)
    figure = Figure(figsize=(left + sum(panels) + sum(gaps), _TOP + tall + _BOTTOM))
    width, height = figure.get_size_inches()
    axes: list[Axes] = []
    at = left
    for panel, gap in zip(panels, gaps, strict=True):
        one = figure.add_axes((at / width, _BOTTOM / height, panel / width, tall / height))
        remove_frame(one)
        one.spines["left"].set_visible(False)
        one.set_ylim(len(names) - 0.5, -0.5)
        one.set_yticks(range(len(names)), names if not axes else [""] * len(names))
        one.tick_params(axis="y", length=0)
        one.grid(color="#ececec", linewidth=0.8)
        one.set_axisbelow(True)
        axes.append(one)
        at += panel + gap
    figure.text(_EDGE / width, 1 - 0.08 / height, title, fontsize=TITLE, va="top")
    return figure, axes


def write_column(axes: Axes, texts: Sequence[str], *, heading: str, inches: float, colour: str = INK) -> None:
    """Write ``texts``, one per row, so that they end ``inches`` right of the panel, with a heading above."""
    width = axes.get_position().width * axes.figure.get_size_inches()[0]  # type: ignore[union-attr]
    x = 1 + inches / width
    for row, text in enumerate(texts):
        place = axes.get_yaxis_transform()
        axes.text(x, row, text, transform=place, ha="right", va="center_baseline", fontsize=SMALL, color=colour)
    write_above(axes, heading, x=x, align="right", colour=colour)


def write_above(axes: Axes, text: str, *, x: float, align: str = "left", colour: str = INK) -> None:
    """Write ``text`` just above a panel; ``x`` is a fraction of its width."""
    axes.annotate(
        text,
        (x, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        ha=align,
        va="bottom",
        fontsize=SMALL,
        color=colour,
        annotation_clip=False,
    )
