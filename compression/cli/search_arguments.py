"""The command line of ``search``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.cli.shared_steps import find_modules_here


def search(
    space: Annotated[
        Path, typer.Option(help="YAML file: keys with lists of values, or ranges.", metavar="FILE", dir_okay=False)
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Overrides as for train.py, e.g. model=vgg11 name=mine."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials, including those on disk.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws; training uses the key seed.")] = 0,
) -> None:
    """Search for configurations with high accuracy and few bytes, trial by trial.

    The same command continues a stopped search. Several processes of the same command share the trials.
    """
    from compression.commands.search_configurations import run_search

    find_modules_here()
    text, found = run_search(overrides or [], space=space, num_trials=trials, seed=seed)
    typer.echo(text)
    if not found:
        raise typer.Exit(1)
