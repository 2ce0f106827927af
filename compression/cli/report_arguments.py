"""The command line of ``report``."""

from typing import Annotated

import typer

from compression.cli.shared_options import Sweep
from compression.cli.shared_steps import print_wide


def report(
    folder: Sweep,
    html: Annotated[
        bool, typer.Option("--html", help="Only write the page report.html; DIR may also be a run or an analysis.")
    ] = False,
) -> None:
    """Write tables, pictures, picks and the page of a sweep again from its records, even if jobs failed."""
    from compression.commands.report_sweep import report_html, report_sweep

    if html:
        typer.echo(report_html(folder))
    else:
        print_wide(report_sweep(folder))
