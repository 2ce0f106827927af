"""Picture of the jobs of a sweep as a list, the most accurate first: accuracy, bytes and latency as aligned dots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from compression.reporting.figures.class_labels import label_class
from compression.reporting.figures.dot_rows import place_rows, write_above, write_column
from compression.reporting.figures.style import AFTER, INK, TEXT, draw_nothing

MAX_ROWS = 30
_KIB, _MIB = 2**10, 2**20
# Inches: a panel, the ends of its columns of numbers, and the space after them.
_PANEL, _ENDS, _SPACE = 2.3, (0.55, 0.8, 0.5), 0.25


@dataclass(frozen=True)
class LeaderboardRow:
    """A job: its name, accuracy as a fraction, size of its file, and latency in milliseconds if measured.

    ``half_width`` is half the 95 % interval of the accuracy, a fraction. ``front`` marks jobs that no other beats in
    both accuracy and bytes. ``dense`` marks the uncompressed baseline.
    """

    label: str
    accuracy: float
    bytes: int
    latency_ms: float | None = None
    half_width: float | None = None
    front: bool = False
    dense: bool = False


def draw_leaderboard(rows: Sequence[LeaderboardRow], *, title: str, accuracy: str = "accuracy") -> Figure:
    """Return a picture with a row per job, the most accurate on top; ``accuracy`` names the accuracy, without unit.

    Above ``MAX_ROWS`` jobs, the dense models and the most accurate jobs are drawn, and the title says so.
    """
    if not rows:
        return draw_nothing("No finished job to list")
    shown = _choose(rows)
    if len(shown) < len(rows):
        title += f", the {len(shown)} most accurate of {len(rows):,} jobs"
    timed = any(row.latency_ms is not None for row in shown)
    figure, panels = place_rows(
        [label_class(row.label, limit=44) for row in shown],
        title=title,
        row_height=0.24,
        panels=[_PANEL] * (2 + timed),
        gaps=[end + _SPACE for end in _ENDS[: 2 + timed]],
    )
    _draw_dots(
        panels[0], shown, [100 * row.accuracy for row in shown], write="{:.2f}".format, heading="%", end=_ENDS[0]
    )
    widths = [(place, row) for place, row in enumerate(shown) if row.half_width]
    for place, row in widths:
        ends = [100 * (row.accuracy + sign * (row.half_width or 0)) for sign in (-1, 1)]
        panels[0].plot(ends, [place, place], color=INK if row.dense else AFTER, linewidth=1.4, zorder=2)
    low, high = panels[0].get_xlim()
    panels[0].set_xticks([tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high])
    panels[0].set_xlabel(f"{accuracy}, %" + ("; line: 95 % interval" if widths else ""), fontsize=TEXT)
    _draw_dots(panels[1], shown, [row.bytes for row in shown], write=_write_bytes, heading="file", end=_ENDS[1])
    _use_log_axis(panels[1], [row.bytes for row in shown], _write_bytes)
    panels[1].set_xlabel("file on disk, log scale", fontsize=TEXT)
    if timed:
        times = [row.latency_ms for row in shown]
        _draw_dots(panels[2], shown, times, write=_write_time, heading="ms", end=_ENDS[2])
        panels[2].set_xlim(0, 1.05 * max(time for time in times if time is not None))
        panels[2].set_xlabel("latency, ms", fontsize=TEXT)
    marks = ["○ dense"] * any(row.dense for row in shown)
    marks += ["◆ front: no job is better in both"] * any(row.front for row in shown)
    write_above(panels[0], "   ".join(marks), x=0)
    return figure


def _choose(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    ordered = sorted(rows, key=lambda row: (not row.dense, -row.accuracy, row.bytes))[:MAX_ROWS]
    return sorted(ordered, key=lambda row: (-row.accuracy, row.bytes))


def _draw_dots(
    axes: Axes,
    rows: Sequence[LeaderboardRow],
    values: Sequence[float | None],
    *,
    write: Callable[[float], str],
    heading: str,
    end: float,
) -> None:
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        if value is not None:
            colour = INK if row.dense else AFTER
            axes.plot(
                [value],
                [place],
                marker="D" if row.front else "o",
                markersize=5.5,
                color=colour,
                markerfacecolor="white" if row.dense else colour,
                zorder=3,
                clip_on=False,
            )
    axes.margins(x=0.08)
    texts = ["" if value is None else write(value) for value in values]
    write_column(axes, texts, heading=heading, inches=end, colour="black")


def _use_log_axis(axes: Axes, values: Sequence[int], write: Callable[[float], str]) -> None:
    low, high = min(values) / 1.3, max(values) * 1.3
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    powers = [2.0**power for power in range(60) if low <= 2.0**power <= high]
    ticks = powers[:: -(-len(powers) // 4) or 1] or [float(max(values))]
    axes.set_xticks(ticks, [write(tick).replace(".00", "").replace(".0", "") for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _write_bytes(value: float) -> str:
    if value >= _MIB:
        return f"{value / _MIB:.2f} MiB"
    return f"{value / _KIB:.1f} KiB" if value >= _KIB else f"{value:.0f} B"


def _write_time(value: float) -> str:
    return f"{value:#.3g}".removesuffix(".")
