"""The command lines of ``store ls``, ``store gc`` and ``store verify``."""

from pathlib import Path
from typing import Annotated

import typer

from compression.core.errors import InputError

OutputDir = Annotated[
    Path, typer.Option("--output-dir", metavar="DIR", help="Folder that holds the runs: output_dir of train.py.")
]
Runs = Annotated[
    list[Path] | None,
    typer.Option("--runs", metavar="DIR", help="Additional folder with runs that use this store. May be given twice."),
]
OUTPUTS = Path("outputs")


def list_store(
    output_dir: OutputDir = OUTPUTS,
    runs: Runs = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the stages: inputs, size, the time they took, and when they were made and last used."""
    from json import dumps

    from compression.commands import manage_store as command

    listed = command.list_stages(command.find_store(output_dir), runs=runs or [])
    typer.echo(dumps(listed, indent=1) if json else command.format_stages(listed))


def clean_store(
    output_dir: OutputDir = OUTPUTS,
    runs: Runs = None,
    keep_days: Annotated[
        float,
        typer.Option(min=0, metavar="DAYS", help="Keep stages used in the last DAYS days, even if no run needs them."),
    ] = 0.0,
    max_bytes: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Remove the least recently used, only until the store fits, e.g. 5GiB."),
    ] = None,
    also_of_runs: Annotated[
        bool, typer.Option("--also-of-runs", help="With --max-bytes, also remove stages that runs need.")
    ] = False,
    interrupted: Annotated[
        bool, typer.Option("--interrupted", help="Also remove checkpoints that interrupted runs would resume.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be removed.")] = False,
) -> None:
    """Remove the stages that no run needs. Stages that a process makes or reads stay."""
    from compression.commands import manage_store as command
    from compression.core.sizes import parse_size
    from compression.stage_store.cleaning import Rules

    if also_of_runs and max_bytes is None:
        raise InputError("--also-of-runs needs --max-bytes SIZE: how much may stay")
    rules = Rules(
        keep_days=keep_days,
        max_bytes=None if max_bytes is None else parse_size(max_bytes, key="--max-bytes"),
        also_of_runs=also_of_runs,
        interrupted=interrupted,
    )
    text, fits = command.collect_garbage(command.find_store(output_dir), runs=runs or [], rules=rules, dry_run=dry_run)
    typer.echo(text)
    if not fits:
        raise typer.Exit(1)


def verify_store(
    output_dir: OutputDir = OUTPUTS,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove damaged stages; the next run makes them again.")
    ] = False,
) -> None:
    """Read all files of every stage and compare them with the checksums from when it was published."""
    from compression.commands import manage_store as command

    text, intact = command.verify_stages(command.find_store(output_dir), remove_damaged=remove)
    typer.echo(text)
    if not intact:
        raise typer.Exit(1)
