"""The command line of ``predict``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_options import ENGINE_NAMES, MAX_BYTES, AllowImport, File, MaxBytes, check_engines
from compression.cli.shared_steps import count_cores, load


def predict(
    file: File,
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of images.", metavar="IMAGE...")],
    csv: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write the probability of every class to a CSV file.")
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar=ENGINE_NAMES, callback=check_engines, help="Engine that runs the model.")
    ] = "eager",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    skip_corrupt: Annotated[
        bool,
        typer.Option("--skip-corrupt", help="Go on past damaged files and dead links; the exit code is then 1."),
    ] = False,
    allow_import: AllowImport = None,
    max_bytes: MaxBytes = MAX_BYTES,
) -> None:
    """Print the most probable class of each image, and its probability."""
    from compression.commands import predict_images as command

    found = command.find_images(images)
    if not skip_corrupt:
        command.refuse_faults(found, remedy="repair or remove them, or pass --skip-corrupt")
    artifact = load(file, allow_import, max_bytes)
    if (note := command.describe_risk(artifact, engine=engine)) is not None:
        typer.echo(f"note: {note}", err=True)
    predictor = command.make_predictor(artifact, engine=engine, threads=threads or count_cores())
    faults = found.faults if skip_corrupt else None
    predictions = list(command.predict_images(artifact, found.paths, predictor=predictor, faults=faults))
    typer.echo(command.format_predictions(predictions, class_names=artifact.class_names))
    if csv is not None:
        command.write_csv(csv, predictions, class_names=artifact.class_names)
    if found.faults:
        typer.echo(command.format_faults(found), err=True)
        raise typer.Exit(1)
