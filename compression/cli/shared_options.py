"""Arguments and options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Engine(StrEnum):
    """Engines that can run an artifact."""

    eager = "eager"
    onnxruntime = "onnxruntime"
    sparse = "sparse"
    openvino = "openvino"


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
    typer.Argument(help="Folder of a sweep, or a folder of single runs, e.g. outputs/sweep-digits.", metavar="DIR"),
]
