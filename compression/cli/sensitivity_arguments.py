"""The command line of ``sensitivity``."""

from enum import StrEnum
from typing import Annotated

import typer

from compression.cli.shared_steps import find_modules_here


class Kind(StrEnum):
    """Units that ``sensitivity`` prunes."""

    weights = "weights"
    channels = "channels"


def sensitivity(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides as for train.py, e.g. model=vgg11 seed=1."),
    ] = None,
    kind: Annotated[
        list[Kind] | None,
        typer.Option(help="What to prune; default: both, if the model allows. May be given twice."),
    ] = None,
) -> None:
    """Measure the accuracy of a dense model with one layer pruned at a time.

    The model is trained first if the store lacks it. A measurement that was stopped continues where it was.
    """
    from compression.commands.measure_layers import run_sensitivity

    find_modules_here()
    text, folder = run_sensitivity(overrides or [], kinds=[one.value for one in kind] if kind else None)
    typer.echo(f"{text}\n\nin {folder}: tables as json, pictures")
