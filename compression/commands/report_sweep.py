"""The command ``report``: the report of a sweep, written again from its records on disk."""

from pathlib import Path

from rich.console import RenderableType

from compression.sweep.report.sweep_report import aggregate


def report_sweep(folder: Path) -> RenderableType:
    """Write all tables and pictures of a sweep into its folder, and return the summary to print. Raises InputError."""
    return aggregate(folder).to_rich()
