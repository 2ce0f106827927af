"""The command line of ``compare``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import ENGINE_NAMES, MAX_BYTES, AllowImport, MaxBytes, check_engines
from compression.cli.shared_steps import count_cores, make_importable


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(help="model.cmp files of any folder, or dense.safetensors of runs.", metavar="FILE..."),
    ],
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure here: latency, in turns, and parity of integers.")
    ] = False,
    agree: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGES", help="Image or folder; prints how often the files predict the same class."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            metavar=ENGINE_NAMES,
            callback=check_engines,
            help="Engine for --measure; may be given several times; default: onnxruntime, and sparse if it can run "
            "all files. The first is used for --agree.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in a timed batch.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Number of timed rounds.")] = 30,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Compare files side by side: architecture, sparsity, bits, bytes by part, MACs, and results of their runs."""
    from compression.commands.compare_models import Measuring, compare_files
    from compression.commands.compared_file import open_file
    from compression.commands.predict_images import list_images

    images = list_images(agree or [])
    allow = make_importable(allow_import)
    opened = [open_file(file, allow=allow, max_bytes=max_bytes) for file in files]
    threads = threads or count_cores()
    engines = engine or []
    measuring = Measuring(engines, batch_size, threads, repeats=repeats) if measure else None
    agreeing = engines[0] if engines else "onnxruntime"
    typer.echo(compare_files(opened, measuring=measuring, images=images, engine=agreeing, threads=threads))
