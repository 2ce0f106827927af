"""The command ``report``: the report of a sweep, a run or an analysis, written again from its records on disk."""

from pathlib import Path

from rich.console import RenderableType

from compression.core.file_names import METRICS, RESULTS
from compression.run.report.run_html import find_analysis, write_failure_html, write_run_html
from compression.sweep.jobs import SWEEP
from compression.sweep.report.records import read_records
from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate, write_html
from compression.sweep.report.sweep_result import make_result


def report_sweep(folder: Path) -> RenderableType:
    """Write all tables and pictures of a sweep into its folder, and return the summary to print. Raises InputError."""
    return aggregate(folder).to_rich()


def report_html(folder: Path) -> str:
    """Write only ``report.html`` of a run, a sweep or an analysis into its folder, and return a line that says where.

    The records may be those of an older version. A sweep whose jobs are gone is read from its ``results.csv``. Raises
    InputError if the folder has no records, or damaged ones.
    """
    return f"in {folder}: {_write(folder).name}"


def _write(folder: Path) -> Path:
    if (folder / METRICS).is_file():
        return write_run_html(folder)
    has_jobs = (folder / SWEEP).is_file() or any(folder.glob(f"*/{METRICS}"))
    if not has_jobs and (folder / RESULTS).is_file():
        return write_html(make_result(read_results(folder)))
    if not has_jobs and find_analysis(folder) is not None:
        return write_failure_html(folder)
    # Raises the error that names what is missing.
    return write_html(make_result(read_records(folder)))
