"""Picture of the confidence of right and wrong predictions, and of the reliability of confidence."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from compression.reporting.figures.style import ACCENT, AFTER, HALO, SMALL, TEXT, TITLE, remove_frame

_WIDTH, _HEIGHT = 9.6, 4.4


def draw_confidence_distribution(confidence: Mapping[str, Any], *, model: str = "") -> Figure:
    """Return a picture with histograms of confidence (right above, wrong below) and a reliability diagram.

    ``confidence`` is as ``describe_failures`` returns it under this key. The two histograms have axes of their own,
    because right predictions are many more. The diagram has a second curve after temperature scaling, if it was fitted.
    ``model`` names the model in the title.
    """
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    right, wrong = (figure.add_axes((0.075, bottom, 0.42, 0.335)) for bottom in (0.53, 0.115))
    _draw_histogram(right, confidence, kind="right", colour=AFTER)
    _draw_histogram(wrong, confidence, kind="wrong", colour=ACCENT)
    right.tick_params(labelbottom=False)
    wrong.set_xlabel("confidence: probability of the predicted class", fontsize=TEXT)
    # The diagram is square, so that its diagonal is one.
    _draw_reliability(figure.add_axes((0.6, 0.115, 0.75 * _HEIGHT / _WIDTH, 0.75)), confidence)
    subject = f", {model}" if model else ""
    figure.text(0.01, 0.985, f"Confidence of predictions{subject}", fontsize=TITLE, va="top")
    return figure


def _draw_histogram(axes: Axes, confidence: Mapping[str, Any], *, kind: str, colour: str) -> None:
    remove_frame(axes)
    counts, edges = confidence["histogram"][kind], confidence["histogram"]["edges"]
    axes.stairs(counts, edges, fill=True, color=colour)
    total, mean = sum(counts), confidence[kind]
    text = f"{total:,} {kind}"
    if mean is not None:
        axes.axvline(mean, color="black", linewidth=1, linestyle="--")
        text += f", mean confidence {mean:.2f} (dashed)"
    if kind == "wrong" and total:
        text += f", {confidence['errors_above_0.9']:,} above 0.9"
    axes.set_title(text, fontsize=TEXT, loc="left", pad=4)
    axes.set_xlim(0, 1)
    top = 1.06 * max([*counts, 1])
    axes.set_yticks([tick for tick in MaxNLocator(5, integer=True).tick_values(0, top) if tick <= top])
    axes.set_ylim(0, top)
    axes.set_ylabel("images", fontsize=TEXT)


def _draw_reliability(axes: Axes, confidence: Mapping[str, Any]) -> None:
    remove_frame(axes)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.9, linestyle="--", zorder=1)
    style: dict[str, Any] = {"rotation": 45, "transform_rotates_text": True, "ha": "center", "va": "center"}
    axes.text(0.33, 0.27, "perfectly calibrated", fontsize=SMALL, path_effects=HALO, **style)
    _draw_bins(axes, confidence["bins"], colour=AFTER, marker="o", label=f"as trained: {confidence['ece']:.3f}")
    if confidence["bins_scaled"] is not None:
        label = f"temperature {confidence['temperature']:.2f}: {confidence['ece_scaled']:.3f}"
        _draw_bins(axes, confidence["bins_scaled"], colour=ACCENT, marker="s", label=label, hollow=True)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("Reliability; larger marks: more images", fontsize=TEXT, loc="left", pad=4)
    axes.set_xlabel("mean confidence of the bin", fontsize=TEXT)
    axes.set_ylabel("share of right predictions", fontsize=TEXT)
    # Curves of a model with too little confidence pass above the diagonal.
    first = [row["accuracy"] > row["confidence"] + 0.1 for row in confidence["bins"] if row["images"]]
    place: Literal["lower right", "upper left"] = "lower right" if any(first[: len(first) // 2]) else "upper left"
    legend = axes.legend(fontsize=SMALL, frameon=False, loc=place, title="expected calibration error")
    legend.set_alignment("left")
    legend.get_title().set_fontsize(SMALL)


def _draw_bins(
    axes: Axes, bins: Sequence[Mapping[str, Any]], *, colour: str, marker: str, label: str, hollow: bool = False
) -> None:
    rows = [row for row in bins if row["images"]]
    most = max(row["images"] for row in rows)
    x, y = [row["confidence"] for row in rows], [row["accuracy"] for row in rows]
    axes.plot(x, y, color=colour, linewidth=1.2, zorder=2)
    axes.scatter(
        x,
        y,
        s=[4 + 70 * row["images"] / most for row in rows],
        marker=marker,
        facecolor="white" if hollow else colour,
        edgecolor=colour,
        linewidth=1.3,
        zorder=3,
        clip_on=False,
    )
    # The sizes of the marks vary, so the legend gets a mark of a fixed size.
    face = "white" if hollow else colour
    axes.plot([], [], color=colour, marker=marker, markerfacecolor=face, markersize=5, linewidth=1.2, label=label)
