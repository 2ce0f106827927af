"""The command line of ``analyze``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import MAX_BYTES, AllowImport, MaxBytes
from compression.cli.shared_steps import count_cores, make_importable


def analyze(
    file: Annotated[
        Path, typer.Argument(help="model.cmp of any folder, or dense.safetensors of a run.", metavar="FILE")
    ],
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Model to compare with, usually the dense one: which classes change?"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="ROOT|digits|cifar10",
            help="Labelled images: a folder of class folders, or a dataset. Default: the data of FILE's own run.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            metavar="DIR",
            help="Folder to write; default: analyze_NAME beside FILE, for a file NAME.cmp.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 128,
    num_workers: Annotated[
        int | None,
        typer.Option(
            min=0, help="Worker processes, used only for images that do not fit in memory; default: all cores."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Write how a model fails: classes, confusions, confidence, damaged images; with --against, what changed.

    Record, text and pictures go into one folder.
    """
    from compression.commands.analyze_model import Analyzing, analyze_file, check_analysis
    from compression.commands.compared_file import open_file

    allow = make_importable(allow_import)
    opened = open_file(file, allow=allow, max_bytes=max_bytes)
    other = None if against is None else open_file(against, allow=allow, max_bytes=max_bytes)
    # Not the folder of the run, because a new analysis replaces all files of an earlier one.
    folder = output_dir or file.parent / f"analyze_{file.stem}"
    check_analysis(opened, other, folder)
    how = Analyzing(data, batch_size, num_workers, threads or count_cores(), allow, max_bytes)
    typer.echo(analyze_file(opened, other, how=how, folder=folder))
