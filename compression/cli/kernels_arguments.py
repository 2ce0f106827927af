"""The command line of ``kernels``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import MAX_BYTES, AllowImport, MaxBytes
from compression.cli.shared_steps import make_importable


def kernels(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs with the same first layer, or their model.cmp files.", metavar="RUN..."),
    ],
    output: Annotated[Path, typer.Option(metavar="OUT", help="Picture to write.")] = Path("kernels.png"),
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Draw the filters of the first convolution of several runs side by side, those of the dense model first."""
    from compression.commands.show_kernels import draw_kernels_of

    lines = draw_kernels_of(runs, output=output, allow=make_importable(allow_import), max_bytes=max_bytes)
    typer.echo("\n".join([*lines, f"in {output}"]))
