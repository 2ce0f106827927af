"""Recommendation within limits: the configuration to ship, the misses of the others, and the next run."""

from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from compression.core.errors import InputError
from compression.core.sizes import format_size
from compression.sweep.report.actual_bits import add_bits
from compression.sweep.report.board_columns import name_lost
from compression.sweep.report.configuration_labels import describe_kind
from compression.sweep.report.dense_models import DenseModel, list_dense_models
from compression.sweep.report.expectation import measure
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.limits import Limits
from compression.sweep.report.picks import choose_first, describe_tie, find_tied
from compression.sweep.report.points_lost import describe_loss, write_loss
from compression.sweep.report.records import read_records
from compression.sweep.report.suggestion import NextRun, propose
from compression.sweep.report.sweep_ranking import Configuration, Ranking

MAX_SHOWN = 10
_NAMES = {"bytes": "file", "latency": "latency"}


@dataclass(frozen=True)
class Recommendation:
    """A recommendation within limits.

    ``best`` is within the limits, or None. ``others`` are all other configurations: those within the limits first, then
    those with the smallest excess. ``tied`` are the configurations within the limits that share the place of ``best``,
    smallest file first. With ``by_bytes`` the smallest file is best, otherwise the highest accuracy.
    """

    ranking: Ranking
    limits: Limits
    by_bytes: bool
    best: Configuration | None
    others: tuple[Configuration, ...]
    next_run: NextRun | None
    tied: tuple[Configuration, ...] = ()

    def to_rich(self) -> Group:
        """Return the recommendation, the table of the others, and the next command with its rule."""
        ranking = self.ranking
        aim = "the smallest file" if self.by_bytes else f"the highest {ranking.score_name}"
        score = ranking.score_name
        by = f"{score} on held-out training images" if ranking.validated else f"test {score}, as no other is recorded"
        rule = f"Rule: {aim} within {self.limits.describe()}; accuracy and loss here are by {by}."
        lines = [self._describe_best(), rule, ""]
        ends = ["", *self._describe_next()]
        return Group(*map(Text, lines), self._table(), *map(Text, ends))

    def _describe_best(self) -> str:
        if self.best is None:
            return f"No finished configuration is within the limits ({self.limits.describe()})."
        one = self.best
        kind = f" (baseline: {describe_kind(one.kind)})" if one.is_baseline else ""
        milliseconds = "" if one.milliseconds is None else f", {one.milliseconds:.3g} ms in {one.engine}"
        tie = describe_tie(one, self.tied)
        return (
            f"Ship {self.ranking.sweep.folder / one.job.name}{kind}: {100 * one.score.mean:.2f} %, "
            f"{describe_loss(one.drop)}{add_bits(one.measured)}, {format_size(one.measured.bytes)}"
            f"{milliseconds}; on test images {100 * one.test.mean:.2f} %, {describe_loss(one.test_drop)}"
            f"{f'; {tie}' if tie else ''}."
        )

    def _describe_next(self) -> list[str]:
        if self.next_run is None:
            return ["Nothing to run next: no job of this folder has its command on record."]
        return ["Most worth running next:", f"  {self.next_run.command}", f"Rule: {self.next_run.rule}."]

    def _table(self) -> Table:
        shown = self.others[:MAX_SHOWN]
        title = "How near the others came; misses of a limit in brackets" if shown else "No other has finished."
        table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        limited = list(self.limits.given())
        names = _NAMES | {"drop": name_lost(self.ranking, by_test=False)}
        by = "validation" if self.ranking.validated else "test"
        for name in ("configuration", f"{by} {self.ranking.score_name}, %", *(names[key] for key in limited)):
            table.add_column(name, justify="left" if name == "configuration" else "right")
        for one in shown:
            cells = [self._write(one, name) for name in limited]
            table.add_row(*map(Text, (one.label, f"{100 * one.score.mean:.2f}", *cells)))
        for dense in list_dense_models(self.ranking):
            cells = [_write_dense(dense, name) for name in limited]
            table.add_row(*map(Text, (dense.label, f"{100 * dense.score.mean:.2f}", *cells)))
        if len(self.others) > len(shown):
            table.caption = Text(f"and {len(self.others) - len(shown):,} more")
        return table

    def _write(self, one: Configuration, name: str) -> str:
        value, over = measure(one).get(name), name in self.limits.over(measure(one))
        if value is None:
            return "not measured"
        if name == "drop":
            return write_loss(value) + (f" (+{value - (self.limits.max_drop or 0):.2f})" if over else "")
        limit = (self.limits.max_bytes if name == "bytes" else self.limits.max_latency) or 1.0
        text = format_size(int(value)) if name == "bytes" else f"{value:.3g} ms in {one.engine}"
        return text + (f" ({value / limit:.2f}x)" if over else "")


def _write_dense(dense: DenseModel, name: str) -> str:
    if name == "drop":
        return "0.00"
    if name == "bytes":
        return format_size(dense.bytes)
    return "not measured" if dense.milliseconds is None else f"{dense.milliseconds:.3g} ms"


def recommend(folder: Path, limits: Limits) -> Recommendation:
    """Return the configuration to ship within ``limits``, and the next command to run.

    Raises ``InputError`` if there is no limit, no job in ``folder``, or no finished job, and if the finished ones have
    different images.
    """
    if limits == Limits():
        raise InputError("no limit given; allowed: --max-drop POINTS, --max-bytes SIZE, --max-latency TIME, or several")
    ranking = rank_sweep(read_records(Path(folder)))
    if not ranking.configurations:
        raise InputError(f"{folder}: none of {len(ranking.sweep.jobs):,} jobs has finished; see compression report")
    if ranking.incomparable:
        raise InputError(f"{folder}: {ranking.incomparable}; give a folder of runs on the same images")
    # With a limit on the loss alone, the user is ready to lose that much for the smallest file.
    by_bytes = limits.max_bytes is None and limits.max_latency is None
    within = [one for one in ranking.configurations if not limits.over(measure(one))]
    best = choose_first(within, by_bytes=by_bytes)
    others = sorted(
        (one for one in ranking.configurations if one is not best),
        key=lambda one: (limits.distance(measure(one)), -one.score.mean, one.job.name),
    )
    next_run = propose(ranking, limits, best=best, by_bytes=by_bytes)
    return Recommendation(ranking, limits, by_bytes, best, tuple(others), next_run, find_tied(best, within))
