"""The command line of ``status``."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep, e.g. outputs/sweep-...", metavar="DIR")],
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every two seconds until the sweep is over.")] = False,
) -> None:
    """Print the status of each job of a sweep: waiting, running, finished, or why it ended."""
    import time

    from rich.console import Console
    from rich.live import Live

    from compression.commands.show_status import is_over, show_status

    console = Console(width=None if sys.stdout.isatty() else 120)
    if not watch:
        console.print(show_status(folder))
        return
    # Title, header, caption and the table's borders take 8 lines. A row of several lines may still be cut.
    rows = console.height - 8 if console.is_terminal else None
    with Live(show_status(folder, most=rows), console=console, auto_refresh=False) as live:
        while not is_over(folder):
            time.sleep(2)
            live.update(show_status(folder, most=rows), refresh=True)
