"""The answer of a sweep, made again from what is on disk."""

from pathlib import Path

from rich.console import RenderableType

from compression.sweep.report.sweep_report import aggregate


def report_sweep(folder: Path) -> RenderableType:
    """Write all tables and pictures of a sweep into its folder, and return what to print; raises InputError."""
    return aggregate(folder).to_rich()
