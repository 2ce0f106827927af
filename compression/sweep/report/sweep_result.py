"""The result of a sweep: its ranked configurations, picks and fronts, and the text that a terminal shows of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from compression.core.file_names import PAGE, PICTURES, REPORT, RESULTS
from compression.sweep.report.board_columns import NAME, list_board_rows, list_columns
from compression.sweep.report.fronts import Front, make_fronts
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.picks import Pick, make_picks
from compression.sweep.report.records import JobRecord, SweepRecord
from compression.sweep.report.sweep_ranking import Ranking
from compression.sweep.report.sweep_sentences import describe_counts, describe_fronts, describe_picks, list_notes

# The files that `aggregate` writes beside the pictures.
_FILES = (PAGE, REPORT, RESULTS, "results.json", "summary.yaml")
# Rows of a table or list. The CSV and JSON files have all rows.
MAX_ON_SCREEN = 12


@dataclass(frozen=True)
class SweepResult:
    """The result of `aggregate`: ranked configurations, picks and fronts. Print it with ``to_rich()``."""

    ranking: Ranking
    picks: tuple[Pick, ...]
    fronts: Mapping[str, Front]

    @property
    def unfinished(self) -> list[JobRecord]:
        """The jobs without measured numbers, each with its reason."""
        return self.ranking.unfinished

    def to_rich(self) -> Group:
        """Return the best configurations, the picks with their rules, and the jobs without numbers."""
        notes = [f"note: {note}" for note in list_notes(self.ranking)]
        lines = [*_describe_classes(self.ranking, MAX_ON_SCREEN), *notes, *self._lines(MAX_ON_SCREEN)]
        return Group(_to_rich_table(self.ranking, MAX_ON_SCREEN), *map(Text, lines))

    def _lines(self, most: int) -> list[str]:
        return [
            "",
            *describe_picks(self.picks, self.ranking, markdown=False),
            "",
            *describe_fronts(self.fronts),
            *_describe_unfinished(self.unfinished, most),
            f"in {self.ranking.sweep.folder}: {', '.join(_FILES)}, {PICTURES}/",
        ]


def make_result(sweep: SweepRecord) -> SweepResult:
    """Return the ranked configurations, picks and fronts of a sweep's records. Nothing is written."""
    ranking = rank_sweep(sweep)
    return SweepResult(ranking, tuple(make_picks(ranking)), make_fronts(ranking))


def _describe_classes(ranking: Ranking, most: int) -> list[str]:
    """Return a line for each of the first ``most`` configurations; none unless classes are stressed."""
    shown = ranking.configurations[:most] if ranking.stresses_classes else ()
    return [f"{one.label}: {one.pooled.describe()}" for one in shown if one.pooled is not None]


def _describe_unfinished(jobs: Sequence[JobRecord], most: int) -> list[str]:
    lines = [f"{job.status}: {job.name}" + (f" ({job.reason})" if job.reason else "") for job in jobs[:most]]
    if len(jobs) > most:
        lines.append(f"and {len(jobs) - most:,} more without numbers")
    return ["", *lines, ""] if lines else [""]


def _to_rich_table(ranking: Ranking, top: int) -> Table:
    table = Table(title=Text(describe_counts(ranking)), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    columns = [column for column in list_columns(ranking) if column.short]
    for column in columns:
        is_name = column.name == NAME
        # In a narrow terminal only the names of configurations wrap. The line above the table names the score.
        table.add_column(
            column.short or column.name,
            justify="left" if column.is_text else "right",
            no_wrap=not is_name,
            min_width=16 if is_name else None,
            overflow="fold",
        )
    for row in list_board_rows(ranking, columns, most=top):
        table.add_row(*(Text(cell.text) for cell in row.cells))
    if len(ranking.configurations) > top:
        table.caption = Text(f"and {len(ranking.configurations) - top:,} more, in report.md and results.csv")
    return table
