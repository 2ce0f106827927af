"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from compression.runtimes.engines import ENGINES, check_engine

ENGINE_NAMES = "|".join(ENGINES)


def check_engines(value: str | list[str] | None) -> str | list[str] | None:
    """Return the value of ``--engine``. Raises InputError if an engine is unknown or needs what this machine lacks."""
    for name in [value] if isinstance(value, str) else value or ():
        check_engine(name, key="--engine")
    return value


File = Annotated[Path, typer.Argument(help="Compressed model, e.g. outputs/RUN/model.cmp.", metavar="FILE")]
AllowImport = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-import",
        metavar="PACKAGE",
        help="Package that a custom architecture may be imported from; this runs its code. May be given twice.",
    ),
]
MaxBytes = Annotated[
    int,
    typer.Option(
        "--max-bytes",
        min=1,
        metavar="BYTES",
        help="Memory limit for the decoded tensors; a small file can decode to large ones.",
    ),
]
# The value of compression.storage.blocks, repeated here because importing that module takes a second.
MAX_BYTES = 512 << 20
Sweep = Annotated[
    Path,
    typer.Argument(help="Folder of a sweep, or a folder of single runs, e.g. outputs/SWEEP.", metavar="DIR"),
]
