"""The command line of ``data``."""

from pathlib import Path
from typing import Annotated

import typer


def data(
    root: Annotated[str, typer.Argument(metavar="ROOT|digits|cifar10", help="Folder of class folders, or a dataset.")],
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only files like this, e.g. '*.jpg'; as data.include. May be repeated."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="No files like this, e.g. '*_mask.png'; as data.exclude. May be repeated."
        ),
    ] = None,
    group_pattern: Annotated[
        str | None, typer.Option("--group-pattern", metavar="REGEX", help="As data.group_pattern, e.g. '(part\\d+)_'.")
    ] = None,
    allow_nested: Annotated[
        bool, typer.Option("--allow-nested", help="As data.allow_nested: class folders may hold only folders.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Contact sheet to write; default: NAME_sheet.png here.")
    ] = None,
) -> None:
    """Print what a folder of images holds, what is passed over and what a run refuses, and draw a contact sheet.

    The exit code is 1 if a run refuses the folder.
    """
    from compression.commands.describe_data import Choices, describe_data

    choices = Choices(include or (), exclude or (), group_pattern, allow_nested)
    default = Path(f"{Path(root).expanduser().resolve().name or 'root'}_sheet.png")
    found = describe_data(root, choices=choices, picture=picture or default)
    typer.echo(found.text)
    if found.refused:
        raise typer.Exit(1)
