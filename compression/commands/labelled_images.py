"""The labelled images of an analysis: those of the file's own run, of a named dataset, or of a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import torch

from compression.artifact import Artifact
from compression.commands.changed_images import describe_changes
from compression.commands.run_settings import RunSettings, UnresolvedError, read_run_settings
from compression.core.errors import InputError
from compression.core.text import shorten
from compression.data.base import Dataset, ImageData, Split
from compression.system.files import is_refused_write

DATASETS = {"digits": "compression.data.digits.Digits", "cifar10": "compression.data.cifar10.Cifar10"}
_FOLDER = "compression.data.image_folder.ImageFolder"
_MOST_NAMED = 5


@dataclass(frozen=True)
class LabelledImages:
    """Test images with labels in the order of the model's classes.

    ``held_out`` are training images that no training saw; None if it is not known which they are. ``origin`` says in
    words where the images come from. ``notes`` are lines for the user.
    """

    test: Split
    held_out: Split | None
    groups: Mapping[str, Sequence[str]]
    origin: str
    notes: tuple[str, ...] = ()


def find_images(given: str | None, artifact: Artifact, *, run_folder: Path, num_workers: int | None) -> LabelledImages:
    """Return the images to analyze ``artifact`` on; raises InputError in one line.

    ``given`` is digits, cifar10 or a folder; None means the data of the run whose record is in ``run_folder``. Names of
    classes are compared before any image is read.
    """
    try:
        run = read_run_settings(run_folder)
    except UnresolvedError:
        if given is None:
            raise
        run = None
    if given is None and run is None:
        raise InputError(
            f"{run_folder} has no record of a run's data; "
            f"allowed: --data with {', '.join(DATASETS)} or a folder of class folders of images"
        )
    if run is not None and _is_of_run(given, run):
        key = "the data of the run" if given is None else f"--data {given}"
        return _load_dataset(run, artifact, num_workers=num_workers, key=key, run_folder=run_folder)
    assert given is not None
    if given in DATASETS:
        # Any seed will do, because only the held-out part depends on it.
        named = RunSettings(DATASETS[given], {}, seed=0, cache=None)
        return _load_dataset(named, artifact, num_workers=num_workers, key=f"--data {given}", run_folder=None)
    from compression.commands.image_root import load_root

    return load_root(Path(given).expanduser(), artifact)


def _is_of_run(given: str | None, run: RunSettings) -> bool:
    """Return whether ``given`` names the data of ``run``, whose settings then say which images were held out."""
    if given is None or given in DATASETS:
        return given is None or run.target == DATASETS[given]
    return run.target == _FOLDER and run.root is not None and run.root.resolve() == Path(given).expanduser().resolve()


def _load_dataset(
    settings: RunSettings, artifact: Artifact, *, num_workers: int | None, key: str, run_folder: Path | None
) -> LabelledImages:
    """Return the images of ``settings``; held-out ones only with the ``run_folder`` of the file's own run."""
    dataset = _build_dataset(settings, artifact, num_workers=num_workers, key=key)
    order = match_classes(dataset.class_names, artifact.class_names, source=key)
    dataset.check()
    doubt = None
    if run_folder is not None:
        doubt = describe_changes(dataset, artifact, run_folder=run_folder, settings=settings, source=key)
    images = _load(dataset, settings)
    return LabelledImages(
        test=relabel(images.test, order),
        held_out=None if run_folder is None or doubt is not None else relabel(images.val, order),
        groups=dataset.class_groups,
        origin=f"{len(images.test):,} test images of {dataset.name}",
        notes=images.warnings if doubt is None else (*images.warnings, doubt),
    )


def _load(dataset: Dataset, settings: RunSettings) -> ImageData:
    try:
        return dataset.load(settings.seed, cache_dir=settings.cache)
    except OSError as error:
        if settings.cache is None or not is_refused_write(error):
            raise
        # The store may only be read, and lacks these decoded images.
        return dataset.load(settings.seed)


def _build_dataset(settings: RunSettings, artifact: Artifact, *, num_workers: int | None, key: str) -> Dataset:
    if settings.target not in (*DATASETS.values(), _FOLDER):
        raise InputError(f"{key}: {settings.target} is not a dataset of this package; allowed: --data with a folder")
    arguments = {name: one for name, one in settings.arguments.items() if name not in ("augment", "normalization")}
    # The model reads images as its file says, whatever the configuration was.
    prepared = artifact.preparation.to_json()
    arguments |= {"image_size": artifact.image_size, "mean": artifact.mean, "std": artifact.std}
    arguments |= prepared if settings.target == _FOLDER else {"channels": artifact.channels}
    if num_workers is not None:
        arguments["num_workers"] = num_workers
    module, _, name = settings.target.rpartition(".")
    try:
        dataset: Dataset = getattr(import_module(module), name)(**arguments)
    except TypeError as error:
        raise InputError(f"{key}: the recorded settings do not fit {name}: {error}") from error
    return dataset


def match_classes(found: Sequence[str], wanted: Sequence[str], *, source: str) -> list[int]:
    """Return for each class of ``source``, in its order, the index of the class of that name in the model.

    Raises InputError that names the classes of only one side.
    """
    missing = [name for name in wanted if name not in set(found)]
    unknown = [name for name in found if name not in set(wanted)]
    if missing or unknown:
        parts = []
        if missing:
            parts.append(f"it lacks {shorten(missing, limit=_MOST_NAMED)}")
        if unknown:
            parts.append(f"the model does not know {shorten(unknown, limit=_MOST_NAMED)}")
        raise InputError(f"{source}: its {len(found)} classes are not the model's {len(wanted)}: {'; '.join(parts)}")
    place = {name: index for index, name in enumerate(wanted)}
    return [place[name] for name in found]


def relabel(split: Split, order: Sequence[int]) -> Split:
    """Return ``split`` with label ``order[i]`` in place of each label i."""
    return Split(split.images, torch.tensor(order, dtype=torch.int64)[split.labels])
