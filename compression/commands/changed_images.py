"""The images of a run, as they are now, compared with those that the run read."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compression.artifact import Artifact
from compression.commands.run_settings import RunSettings
from compression.core.errors import InputError
from compression.core.file_facts import read_facts
from compression.core.file_names import METRICS
from compression.data.base import Dataset

# Hex digits of a fingerprint that a file carries.
_DIGITS = 16
# Settings that choose the test images of a run that divides its images. Most are recorded only if they are set.
_CHOOSE_TEST = ("test_fraction", "folds", "fold", "include", "exclude", "group_pattern")


def describe_changes(
    dataset: Dataset, artifact: Artifact, *, run_folder: Path, settings: RunSettings, source: str
) -> str | None:
    """Return why no image counts as held out from the training of ``artifact``; None if the record fits the images.

    Images that the run divides are divided otherwise once any of them changes, or a setting of the data. Raises
    InputError if images that it trained on may then count as test images. ``settings`` are those of the configuration
    in ``run_folder``, and ``source`` names the images in messages.
    """
    facts = read_facts(artifact.card.info, num_classes=len(artifact.class_names))
    recorded = _read_data_settings(run_folder / METRICS)
    then = facts.data.fingerprint if facts.data is not None else recorded.get("fingerprint")
    now = dataset.fingerprint()[:_DIGITS]
    changes = _compare(recorded, settings.arguments, _CHOOSE_TEST)
    if isinstance(then, str) and then[:_DIGITS] != now:
        changes.append(f"the images changed since the run, whose fingerprint was {then[:_DIGITS]} and is now {now}")
    if changes:
        changed, test = f"{source}: {'; '.join(changes)}", _find_test_folder(dataset)
        if test is None:
            raise InputError(
                f"{changed}: the run divided them itself, so images that it trained on may now be test images; restore "
                "what changed, or name images that it did not train on with --data FOLDER"
            )
        return f"{changed}: all images of {test} are test images, and no training image counts as held out"
    if facts.seed not in (None, settings.seed):
        return (
            f"{source}: the file was made with seed {facts.seed}, and the record beside it is of seed {settings.seed}"
        )
    changes = _compare(recorded, settings.arguments, ("val_fraction",))
    return f"{source}: {changes[0]}" if changes else None


def _compare(recorded: Mapping[str, Any], now: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return which of the settings ``keys`` in the results of a run are others in the configuration beside them.

    A later command in the same folder may have been stopped before it had results.
    """
    return [
        f"data.{key} was {recorded.get(key)} in the run and is {now.get(key)} in the configuration beside it"
        for key in keys
        if recorded and recorded.get(key) != now.get(key)
    ]


def _read_data_settings(path: Path) -> dict[str, Any]:
    """Return the settings of the data in the results of a run; empty without such a record."""
    try:
        found = json.loads(path.read_bytes())["run"]["data_settings"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _find_test_folder(dataset: Dataset) -> Path | None:
    """Return the folder of the test images; None if the images are divided by the run."""
    from compression.data.image_folder import ImageFolder
    from compression.data.listing import list_folder

    if not isinstance(dataset, ImageFolder) or dataset.folds is not None:
        return None
    parts = list_folder(dataset.root, patterns=dataset.patterns, allow_nested=dataset.allow_nested).part_folders
    return dataset.root / parts["test"] if "test" in parts else None
