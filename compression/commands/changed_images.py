"""The images of a run, as they are now, compared with those that the run read."""

import json
from pathlib import Path

from compression.artifact import Artifact
from compression.core.errors import InputError
from compression.core.file_facts import read_facts
from compression.core.file_names import METRICS
from compression.data.base import Dataset

# Hex digits of a fingerprint that a file carries.
_DIGITS = 16


def describe_changes(dataset: Dataset, artifact: Artifact, *, run_folder: Path, seed: int, source: str) -> str | None:
    """Return why no image counts as held out from the training of ``artifact``; None if the record fits the images.

    Images that the run divides are divided otherwise once any of them changes. Raises InputError if images that it
    trained on may then count as test images. ``seed`` is that of the record in ``run_folder``, and ``source`` names the
    images in messages.
    """
    facts = read_facts(artifact.card.info, num_classes=len(artifact.class_names))
    then = facts.data.fingerprint if facts.data is not None else _read_fingerprint(run_folder / METRICS)
    now = dataset.fingerprint()[:_DIGITS]
    if then and then[:_DIGITS] != now:
        changed = f"{source}: the images changed since the run, whose fingerprint was {then[:_DIGITS]} and is now {now}"
        test = _find_test_folder(dataset)
        if test is None:
            raise InputError(
                f"{changed}: the run divided them itself, so images that it trained on may now be test images; restore "
                "them, or name images that it did not train on with --data FOLDER"
            )
        return f"{changed}: all images of {test} are test images, and no training image counts as held out"
    if facts.seed not in (None, seed):
        return f"{source}: the file was made with seed {facts.seed}, and the record beside it is of seed {seed}"
    return None


def _read_fingerprint(path: Path) -> str | None:
    """Return the fingerprint in the results of a run; None without such a record."""
    try:
        found = json.loads(path.read_bytes())["run"]["data_settings"]["fingerprint"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def _find_test_folder(dataset: Dataset) -> Path | None:
    """Return the folder of the test images; None if the images are divided by the run."""
    from compression.data.image_folder import ImageFolder
    from compression.data.listing import list_folder

    if not isinstance(dataset, ImageFolder) or dataset.folds is not None:
        return None
    parts = list_folder(dataset.root, patterns=dataset.patterns, allow_nested=dataset.allow_nested).part_folders
    return dataset.root / parts["test"] if "test" in parts else None
