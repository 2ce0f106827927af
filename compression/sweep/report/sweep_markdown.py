"""The Markdown report of a sweep."""

from collections.abc import Mapping

from compression.core.file_names import PICTURES
from compression.reporting.markdown import escape, to_table
from compression.sweep.report.board_columns import list_board_rows, list_columns
from compression.sweep.report.sweep_result import SweepResult
from compression.sweep.report.sweep_sentences import (
    describe_counts,
    describe_fronts,
    describe_picks,
    describe_ties,
    list_notes,
)

# Rows of a table. The CSV and JSON files have all rows.
MAX_IN_REPORT = 100


def to_markdown(result: SweepResult, columns: Mapping[str, str]) -> str:
    """Return the content of ``report.md``. ``columns`` are the columns of ``results.csv`` with their definitions."""
    ranking = result.ranking
    board = list_columns(ranking)
    rows = list_board_rows(ranking, board, most=MAX_IN_REPORT)
    lines = [f"# {escape(ranking.sweep.folder.resolve().name)}", "", describe_counts(ranking), ""]
    lines += [f"Note: {escape(note)}.\n" for note in list_notes(ranking)]
    lines += ["## Picks", "", *describe_picks(result.picks, ranking, markdown=True), ""]
    texts = [index for index, column in enumerate(board) if column.is_text]
    cells = [[escape(cell.text) for cell in row.cells] for row in rows]
    lines += ["## Leaderboard", "", *to_table([column.name for column in board], cells, left=texts)]
    more = len(ranking.configurations) - MAX_IN_REPORT
    lines += ["", *([f"And {more:,} more, in results.csv.", ""] if more > 0 else []), describe_ties(ranking), ""]
    lines += ["## Fronts", "", *(f"- {escape(line)}" for line in describe_fronts(result.fronts)), ""]
    lines += [f"![{name.replace('_', ' ')}]({PICTURES}/{name}.png)\n" for name in _picture_names(result)]
    if result.unfinished:
        shown = result.unfinished[:MAX_IN_REPORT]
        unfinished = [(escape(job.name), job.status, escape(job.reason or "")) for job in shown]
        lines += ["## Jobs without numbers", "", *to_table(("job", "status", "reason"), unfinished, left=range(3))]
        more = len(result.unfinished) - MAX_IN_REPORT
        lines += ["", *([f"And {more:,} more, in results.csv.", ""] if more > 0 else [])]
    definitions = [(f"`{key}`", escape(what)) for key, what in columns.items()]
    lines += ["## Columns of results.csv", "", *to_table(("column", "what"), definitions, left=range(2))]
    return "\n".join(lines) + "\n"


def _picture_names(result: SweepResult) -> list[str]:
    return [*(f"pareto_{against}" for against in result.fronts), "parallel_coordinates", "accuracy_steps"]
