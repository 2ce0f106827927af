"""The command line of ``convert``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import MAX_BYTES, AllowImport, File, MaxBytes
from compression.cli.shared_steps import make_importable


class Target(StrEnum):
    """Formats that an artifact can be converted to."""

    state_dict = "state_dict"
    safetensors = "safetensors"
    safetensors_bitmask = "safetensors_bitmask"
    onnx = "onnx"
    c = "c"


class Vector(StrEnum):
    """Widths of vectors in exported C: auto is 4, none is standard C."""

    auto = "auto"
    none = "none"
    four = "4"
    eight = "8"
    sixteen = "16"


class Optimize(StrEnum):
    """What exported C is made for."""

    size = "size"
    speed = "speed"


def convert(
    file: File,
    to: Annotated[Target, typer.Option(help="Format to write.")],
    output: Annotated[
        Path | None, typer.Option(metavar="OUT", help="File to write, or folder for c; default: beside FILE.")
    ] = None,
    vector: Annotated[
        Vector | None, typer.Option(help="For c: floats in a vector; auto is 4, none is standard C11. Default: auto.")
    ] = None,
    optimize: Annotated[Optimize | None, typer.Option(help="For c: small or fast tables. Default: speed.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGES", help="For c: image or folder for the test; default: the run's own data, or noise."
        ),
    ] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Write the model as a PyTorch state dict, as safetensors (with or without zeros), as ONNX or as C source."""
    from compression.commands.convert_model import COptions, convert_file

    given = vector is not None or optimize is not None or images is not None
    options = COptions(vector=vector or Vector.auto, optimize=optimize or Optimize.speed, images=images)
    written = convert_file(
        file,
        to=to.value,
        output=output,
        allow=make_importable(allow_import),
        max_bytes=max_bytes,
        c_options=options if given else None,
    )
    typer.echo(f"{written.path}: {written.label}: {written.num_bytes:,} bytes")
    for fact in written.facts:
        typer.echo(fact)
