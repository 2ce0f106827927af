"""The command line of ``storage``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import MAX_BYTES, File, MaxBytes


def storage(
    file: File,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Picture to write; default: FILE with suffix .storage.png.")
    ] = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Compare all codecs on the weights of a file: bytes, seconds, and the sparsity from which each beats dense."""
    from compression.commands.compare_codecs import compare_storage

    picture = picture or file.with_suffix(".storage.png")
    typer.echo(compare_storage(file, picture=picture, max_bytes=max_bytes))
    typer.echo(f"\npicture: {picture}")
