"""The failure analysis of a run: its groups of classes, and its files in the run's folder."""

from pathlib import Path

from compression.analysis.confusions import choose_groups
from compression.reporting.write_failures import RECORD, TEXT, TITLES, remove_pictures
from compression.run.context import Context
from compression.run.report.model_files import copy_file


def find_groups(context: Context) -> dict[str, list[str]]:
    """Return the class names by group: those of ``data.class_groups``, else the usual ones of these classes."""
    groups = choose_groups(context.data.dataset.class_groups, class_names=context.data.class_names)
    return {group: list(names) for group, names in groups.items()}


def copy_analysis(stage: Path, folder: Path) -> list[tuple[str, str]]:
    """Copy the files of a finished analyze stage into ``folder``; return title and file name of each picture.

    Pictures of an earlier analysis that the stage does not have are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in (RECORD, TEXT, *TITLES) if (stage / name).exists()]
    for name in names:
        copy_file(stage / name, folder / name)
    remove_pictures(folder, keep=names)
    return [(title, name) for name, title in TITLES.items() if name in names]
