"""The command line of ``inspect``."""

import typer

from compression.cli.shared_options import MAX_BYTES, File, MaxBytes


def inspect(file: File, max_bytes: MaxBytes = MAX_BYTES) -> None:
    """Print the content of a file: architecture, input, every tensor, and a breakdown of its bytes."""
    from compression.commands.inspect_model import inspect_file

    typer.echo(inspect_file(file, max_bytes=max_bytes))
