"""The report of a sweep, made from its records alone: files in its folder, and a summary for the terminal."""

import json
from pathlib import Path

import yaml

from compression.core.file_names import PICTURES, REPORT, RESULTS
from compression.reporting.figures import save_figure
from compression.sweep.report.board_pictures import update_pictures
from compression.sweep.report.dense_rows import make_dense_rows
from compression.sweep.report.hparams_rows import update_hparams
from compression.sweep.report.job_table import define_columns, is_varying, make_rows, to_csv
from compression.sweep.report.records import read_records
from compression.sweep.report.sweep_markdown import to_markdown
from compression.sweep.report.sweep_page import write_sweep_html
from compression.sweep.report.sweep_pictures import draw_sweep
from compression.sweep.report.sweep_result import SweepResult, make_result
from compression.sweep.report.sweep_sentences import describe_ties, list_notes
from compression.sweep.report.sweep_summary import make_summary
from compression.system.files import write_atomic

# Configurations in the summary. The CSV and JSON files have all of them.
MAX_IN_SUMMARY = 20


def aggregate(folder: Path) -> SweepResult:
    """Write ``results.csv``, ``results.json``, ``summary.yaml``, both reports and pictures, even if jobs failed.

    The jobs' rows in TensorBoard are updated to agree with the table, and the pictures are shown there too. Raises
    ``InputError`` if the folder has no jobs.
    """
    result = make_result(read_records(Path(folder)))
    ranking = result.ranking
    rows, columns = make_rows(ranking), define_columns(ranking)
    folder = ranking.sweep.folder
    figures = draw_sweep(ranking, fronts=dict(result.fronts), picks=result.picks)
    pictures = {name: folder / PICTURES / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_figure(figure, pictures[name])
    summary = make_summary(result)
    document = {"columns": columns, "varying": [key for key in columns if is_varying(key)], "jobs": rows, **summary}
    write_atomic(folder / RESULTS, to_csv([*rows, *make_dense_rows(ranking)], columns=list(columns)).encode())
    write_atomic(folder / "results.json", (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    short = {**summary, "leaderboard": summary["leaderboard"][:MAX_IN_SUMMARY]}
    write_atomic(folder / "summary.yaml", yaml.safe_dump(short, sort_keys=False, allow_unicode=True).encode())
    write_atomic(folder / REPORT, to_markdown(result, columns).encode())
    write_html(result)
    update_hparams(folder, rows)
    update_pictures(ranking.sweep, pictures)
    return result


def write_html(result: SweepResult) -> Path:
    """Write the page ``report.html`` of a sweep into its folder and return its path."""
    ranking = result.ranking
    notes = [describe_ties(ranking), *(f"Note: {note}." for note in list_notes(ranking))]
    return write_sweep_html(ranking, picks=result.picks, fronts=result.fronts, notes=notes)
