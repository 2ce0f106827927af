"""The columns of a sweep's leaderboard: the same in the terminal, in ``report.md`` and on the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compression.core.sizes import format_size
from compression.reporting.page.page_blocks import Cell
from compression.sweep.report.actual_bits import UNKNOWN, differs_from_asked
from compression.sweep.report.dense_models import DenseModel, list_dense_models
from compression.sweep.report.points_lost import write_loss
from compression.sweep.report.pooled_classes import format_share
from compression.sweep.report.seeds import Sample
from compression.sweep.report.sweep_ranking import Configuration, Ranking

NAME = "configuration"
# Figures over the pooled test images of all folds, with 95 % intervals.
ACCURACY, BALANCED, WORST = "accuracy (95 % interval), %", "balanced accuracy, %", "worst class, %"
_NONE = Cell("-")


@dataclass(frozen=True)
class Column:
    """A column: its heading, and its cell of a configuration and of a dense model.

    ``short`` is the heading in a terminal; without one, a terminal has no room for the column. ``is_text`` columns are
    aligned to the left.
    """

    name: str
    write: Callable[[Configuration], Cell]
    write_dense: Callable[[DenseModel], Cell]
    short: str | None = None
    is_text: bool = False


@dataclass(frozen=True)
class BoardRow:
    """A row of the leaderboard: a cell for each column. ``one`` is None for a dense model."""

    cells: tuple[Cell, ...]
    one: Configuration | None


def list_board_rows(ranking: Ranking, columns: list[Column], *, most: int | None = None) -> list[BoardRow]:
    """Return the first ``most`` configurations, best first, and below them the dense models."""
    rows = [BoardRow(tuple(column.write(one) for column in columns), one) for one in ranking.configurations[:most]]
    dense = list_dense_models(ranking) if ranking.configurations else []
    return rows + [BoardRow(tuple(column.write_dense(one) for column in columns), None) for one in dense]


def name_score(ranking: Ranking) -> str:
    """Return the name of the column with the accuracy that choices are based on."""
    part = "validation" if ranking.validated else "chosen by: test"
    return f"{part}, %" if ranking.monitor == "accuracy" else f"{part} {ranking.score_name}, %"


def name_test(ranking: Ranking) -> str:
    """Return the name of the column with the same score on test images."""
    return "test, %" if ranking.monitor == "accuracy" else f"test {ranking.score_name}, %"


def name_lost(ranking: Ranking, *, by_test: bool) -> str:
    """Return the heading of a column of losses, which says on which images they are measured."""
    return "test points lost" if by_test or not ranking.validated else "validation points lost"


def knows_arithmetic(ranking: Ranking) -> bool:
    """Return whether the records say how the bits of any file run; those of older versions do not."""
    return any(one.actual != (UNKNOWN,) for one in ranking.configurations)


def write_percent(sample: Sample) -> str:
    """Return the mean in percent, with half its 95 % interval if there are several seeds."""
    error = "" if sample.half_width is None else f" ± {100 * sample.half_width:.2f}"
    return f"{100 * sample.mean:.2f}{error}"


def list_columns(ranking: Ranking) -> list[Column]:
    """Return the columns of this sweep, in order."""
    return [*_list_names(ranking), *_list_scores(ranking), *_list_costs(ranking)]


def _list_names(ranking: Ranking) -> Iterator[Column]:
    yield Column(
        "place",
        lambda one: Cell(f"{'=' if one.tied else ''}{one.place}", one.place),
        lambda _: _NONE,
        short="#",
    )
    yield Column(NAME, lambda one: Cell(one.label, one.label), lambda dense: Cell(dense.label, dense.label), NAME, True)
    if any(one.num_planned > 1 for one in ranking.configurations):
        name = ranking.repeats_name
        yield Column(name, _write_count, lambda dense: Cell(f"{dense.num}", dense.num), name)


def _list_scores(ranking: Ranking) -> Iterator[Column]:
    short = "val, %" if ranking.validated else name_score(ranking)
    yield Column(name_score(ranking), lambda one: _percent(one.score), lambda dense: _percent(dense.score), short)
    yield Column(name_test(ranking), lambda one: _percent(one.test), lambda dense: _percent(dense.test), "test, %")
    if ranking.shows_classes:
        yield Column(ACCURACY, lambda one: _write_classes(one)[0], lambda _: _NONE)
        yield Column(BALANCED, lambda one: _write_classes(one)[1], lambda _: _NONE)
        yield Column(WORST, lambda one: _write_classes(one)[2], lambda _: _NONE)
    yield Column(
        name_lost(ranking, by_test=True),
        lambda one: Cell(write_loss(one.test_drop), one.test_drop),
        lambda _: Cell("0.00", 0.0),
        short="test lost",
    )


def _list_costs(ranking: Ranking) -> Iterator[Column]:
    # A terminal shows it where it differs from what the name of a configuration says.
    differs = any(differs_from_asked(one.measured) for one in ranking.configurations)
    if knows_arithmetic(ranking):
        yield Column(
            "arithmetic",
            lambda one: Cell(" / ".join(one.actual), " / ".join(one.actual)),
            lambda _: Cell("float32", "float32"),
            short="arithmetic" if differs else None,
            is_text=True,
        )
    yield Column(
        "sparsity, %",
        lambda one: Cell(f"{100 * one.measured.sparsity:.1f}", 100 * one.measured.sparsity),
        lambda _: Cell("0.0", 0.0),
        short="zeros, %",
    )
    yield Column(
        "file",
        lambda one: Cell(format_size(one.measured.bytes), one.measured.bytes),
        lambda dense: Cell(format_size(dense.bytes), dense.bytes),
        short="file",
    )
    yield Column("ratio", lambda one: _times(one.ratio), lambda _: _times(1.0), "ratio")
    yield Column("latency, ms", lambda one: _time(one.milliseconds), lambda dense: _time(dense.milliseconds), "ms")
    yield Column(
        "engine",
        lambda one: Cell(one.engine or "-", one.engine),
        lambda dense: Cell(dense.engine or "-", dense.engine),
        is_text=True,
    )
    yield Column(
        "speed-up",
        lambda one: _NONE if one.speedup is None else _times(one.speedup),
        lambda dense: _NONE if dense.milliseconds is None else _times(1.0),
        short="speed-up",
    )


def _write_count(one: Configuration) -> Cell:
    count = f"{one.num_jobs}" if one.num_jobs >= one.num_planned else f"{one.num_jobs} of {one.num_planned}"
    return Cell(count, one.num_jobs)


def _write_classes(one: Configuration) -> tuple[Cell, Cell, Cell]:
    pooled = one.pooled
    if pooled is None:
        return _NONE, _NONE, _NONE
    return (
        Cell(format_share(pooled.accuracy), 100 * pooled.accuracy.value),
        Cell(format_share(pooled.balanced), 100 * pooled.balanced.value),
        Cell(f"{pooled.worst_name} {format_share(pooled.worst)}", 100 * pooled.worst.value),
    )


def _percent(sample: Sample) -> Cell:
    return Cell(write_percent(sample), 100 * sample.mean)


def _times(ratio: float) -> Cell:
    return Cell(f"{ratio:.2f}x", ratio)


def _time(milliseconds: float | None) -> Cell:
    return Cell("-" if milliseconds is None else f"{milliseconds:.3g}", milliseconds)
