"""The leaderboard of a sweep's page, with the limits and choices that fade its rows."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from compression.core.file_names import ARTIFACT, PAGE
from compression.reporting.page.page_blocks import Cell, Choice, Controls, Limit, Table
from compression.sweep.axis_names import name_keys
from compression.sweep.report.board_columns import NAME, BoardRow, list_board_rows, list_columns, name_lost
from compression.sweep.report.sweep_pictures import list_varied
from compression.sweep.report.sweep_ranking import Configuration, Ranking

_KIB = 2**10
# With more values, a setting gets no list to choose from.
_MAX_CHOICES = 24


def make_controls(ranking: Ranking) -> Controls:
    """Return limits on the numbers of a configuration, and choices of the settings that differ."""
    accuracy = f"{'Validation' if ranking.validated else 'Test'} {ranking.score_name}"
    limits = [
        Limit("accuracy", f"{accuracy} at least, %", least=True),
        Limit("lost", f"{name_lost(ranking, by_test=False).capitalize()} at most", least=False),
        Limit("kib", "File at most, KiB", least=False),
        Limit("milliseconds", "Latency at most, ms", least=False),
        Limit("sparsity", "Sparsity at least, %", least=True),
    ]
    choices = []
    for key, name in name_keys(list_varied(ranking)).items():
        values = dict.fromkeys(_write_setting(one.axes.get(key)) for one in ranking.configurations)
        if len(values) <= _MAX_CHOICES:
            choices.append(Choice(key, name.replace("_", " "), list(values)))
    return Controls(limits, choices)


def _write_setting(value: Any) -> str:
    return "default" if value is None else f"{value}"


def describe_row(ranking: Ranking, index: int, one: Configuration) -> dict[str, Any]:
    """Return the values that limits and choices compare."""
    return {
        "id": index,
        "numbers": {
            "accuracy": 100 * one.score.mean,
            "lost": one.drop,
            "kib": one.measured.bytes / _KIB,
            "milliseconds": one.milliseconds,
            "sparsity": 100 * one.measured.sparsity,
        },
        "settings": {key: _write_setting(one.axes.get(key)) for key in list_varied(ranking)},
    }


def list_board(ranking: Ranking) -> Table:
    """Return the table of all configurations, the best first, and below them the dense models.

    Links lead to files that exist now.
    """
    # The name comes first, because it names the row.
    columns = sorted(list_columns(ranking), key=lambda column: column.name != NAME)
    rows = list_board_rows(ranking, columns)
    models = [_find(ranking, row, ARTIFACT) for row in rows]
    written: list[list[Cell | str]] = []
    for row, model in zip(rows, models, strict=True):
        name, *cells = row.cells
        last = [Cell(ARTIFACT if model else "-", href=model)] if any(models) else []
        written.append([replace(name, href=_find(ranking, row, PAGE)), *cells, *last])
    caption = (
        "Configurations, best first; equal places (=) are not distinguishable. Points lost are of test "
        f"{ranking.score_name}, against the dense model of the same run; a gain is negative."
    )
    return Table(
        caption,
        [*(column.name for column in columns), *(["model"] if any(models) else [])],
        written,
        words=[column.name for column in columns if column.is_text],
        ids=[None if row.one is None else index for index, row in enumerate(rows)],
    )


def _find(ranking: Ranking, row: BoardRow, name: str) -> str | None:
    return None if row.one is None else find_file(ranking, row.one.job.name, name)


def find_file(ranking: Ranking, job: str, name: str) -> str | None:
    """Return a link from the sweep's folder to a file of a job, if there is such a file."""
    return f"{quote(job)}/{name}" if (ranking.sweep.folder / job / name).is_file() else None
