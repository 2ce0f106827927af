"""The command ``data``: what a folder of images or a dataset holds, as text and as a contact sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from compression.commands.labelled_images import DATASETS
from compression.commands.text_table import format_table
from compression.core.errors import printable
from compression.core.preparation import Preparation
from compression.core.text import count_noun
from compression.data.base import ImageData
from compression.data.image_facts import count_kinds, describe_aspects, find_aspects, write_aspect
from compression.data.intake_check import Intake, describe_missed
from compression.data.walk_folder import PassedOver
from compression.system.extras import require_packages

# Rows of the table of classes; of more classes, the largest and the smallest.
_MOST_CLASSES = 24
# Files that are named for one reason to refuse the folder.
_MOST_FILES = 12
_SHEET_SIDE, _SHEET_COLUMNS = 96, 8


@dataclass(frozen=True)
class Choices:
    """What the command line chooses: patterns on paths, and the regular expression of groups."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    group_pattern: str | None = None
    allow_nested: bool = False


@dataclass(frozen=True)
class Description:
    """Text of the intake, and whether a run would refuse the data."""

    text: str
    refused: bool


def describe_data(given: str, *, choices: Choices, picture: Path) -> Description:
    """Return the intake of ``given``, a folder, digits or cifar10, and write its contact sheet to ``picture``.

    Raises InputError for a folder that has no classes of images at all.
    """
    require_packages("matplotlib", "psutil")
    return _describe_named(given, picture) if given in DATASETS else _describe_folder(given, choices, picture)


def _describe_named(name: str, picture: Path) -> Description:
    from importlib import import_module

    from compression.data.near_duplicates import find_near_duplicates
    from compression.data.thumbnails import make_thumbnails

    module, _, class_name = DATASETS[name].rpartition(".")
    dataset = getattr(import_module(module), class_name)()
    dataset.check()
    data: ImageData = dataset.load(0)
    parts = (data.train, data.val, data.test)
    images = np.concatenate([_as_array(part.images) for part in parts])
    homes = np.repeat(np.arange(3), [len(part) for part in parts])
    near = find_near_duplicates(make_thumbnails(images), homes)
    tested = sum(homes[later] == 2 for later, _ in near)
    facts = [("images", f"{data.image_size} x {data.image_size} pixels, in memory")]
    if tested:
        facts.append(("near-duplicates", f"{tested:,} of the test images are nearly equal to one in train or val"))
    labels = [part.labels.numpy() for part in parts]
    chosen = _choose_rows(np.concatenate(labels), data.class_names)
    examples = {name: [images[row].transpose(1, 2, 0) for row in rows] for name, rows in chosen.items()}
    _write_sheet(picture, examples, labels, data.class_names)
    return Description(_format(name, labels, data.class_names, facts, picture), refused=False)


def _as_array(images: object) -> NDArray[np.uint8]:
    assert isinstance(images, torch.Tensor)
    array: NDArray[np.uint8] = images.numpy()
    return array


def _describe_folder(given: str, choices: Choices, picture: Path) -> Description:
    from compression.data.image_folder import ImageFolder

    root = Path(given).expanduser()
    dataset = ImageFolder(
        root=str(root),
        include=list(choices.include) or None,
        exclude=list(choices.exclude) or None,
        group_pattern=choices.group_pattern,
        allow_nested=choices.allow_nested,
        # All faults are listed together, instead of the first alone.
        skip_corrupt=True,
        allow_conflicts=True,
        resident=False,
    )
    found = dataset.examine(0)
    listing, intake = found.listing, found.intake
    of_rows = np.array(listing.labels)
    labels = [of_rows[found.parts[part].numpy()] for part in ("train", "val", "test")]
    divided = "divided by a run" if listing.parts is None else _describe_parts(listing.part_folders)
    facts = _describe_facts(found.decoded.facts, dataset.preparation) + _describe_passed_over(listing.passed_over)
    every = np.sort(np.concatenate([rows.numpy() for rows in found.parts.values()]))
    chosen = _choose_rows(of_rows[every], listing.class_names)
    files = {name: [root / listing.names[every[row]] for row in rows] for name, rows in chosen.items()}
    examples = {name: [_read_tile(file, dataset.preparation) for file in some] for name, some in files.items()}
    _write_sheet(picture, examples, labels, listing.class_names)
    refusals = _list_refusals(intake)
    text = _format(
        *(str(root), labels, listing.class_names, facts, picture),
        divided=divided,
        findings=intake.list_findings(),
        refusals=refusals,
    )
    return Description(text, refused=bool(refusals))


def _describe_parts(folders: Mapping[str, str]) -> str:
    named = ", ".join(f"{part} in {folder}/" if part != folder else f"{folder}/" for part, folder in folders.items())
    return f"divided by its folders: {named}" + ("" if "val" in folders else "; a run takes val from train")


def _describe_facts(facts: NDArray[np.void], preparation: Preparation) -> list[tuple[str, str]]:
    read = facts[facts["height"] > 0]
    areas = read["width"].astype(np.int64) * read["height"]
    small, large = (read[int(index)] for index in (areas.argmin(), areas.argmax()))
    sizes = [f"{one['width']} x {one['height']}" for one in (small, large)]
    aspects = find_aspects(facts)
    mean = write_aspect(float(np.maximum(aspects, 1 / aspects).mean()))
    shapes = describe_aspects(facts)
    return [
        ("pixels", f"{sizes[0]} to {sizes[1]}" if sizes[0] != sizes[1] else f"all {sizes[0]}"),
        ("width to height", shapes if shapes == "square" else f"{shapes}, mean {mean}: {preparation.describe_fit()}"),
        ("formats", _write_counts(count_kinds(facts, "format"))),
        ("modes", _write_counts(count_kinds(facts, "mode"))),
    ]


def _describe_passed_over(passed: PassedOver) -> list[tuple[str, str]]:
    lines = []
    if missed := describe_missed(passed):
        lines.append(f"pictures: {missed}")
    if passed.unwanted:
        lines.append(f"{passed.unwanted:,} images by --include and --exclude")
    if passed.others:
        lines.append(f"other files: {_write_counts({kind or 'no extension': n for kind, n in passed.others.items()})}")
    if passed.hidden:
        lines.append(f"hidden files and folders: {passed.hidden:,}")
    if passed.system:
        lines.append(f"folders of thumbnails and of systems: {passed.system:,}")
    return [("passed over" if not place else "", line) for place, line in enumerate(lines)]


def _write_counts(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{kind} {count:,}" for kind, count in ranked[:6])
    return shown + (f" and {len(ranked) - 6} more kinds" if len(ranked) > 6 else "")


def _read_tile(file: Path, preparation: Preparation) -> NDArray[np.uint8]:
    from compression.data.decode import read_image

    tile: NDArray[np.uint8] = read_image(file, image_size=_SHEET_SIDE, preparation=preparation).permute(1, 2, 0).numpy()
    return tile


def _list_refusals(intake: Intake) -> list[str]:
    """Return a line for each kind of finding that stops a run, and a line for each of its files."""
    refusals = []
    unusable = {**intake.faults, **intake.damaged}
    if unusable:
        refusals.append(f"{count_noun(len(unusable), 'path')} that cannot be used, unless data.skip_corrupt=true:")
        refusals += _cut([f"{path}: {reason}" for path, reason in unusable.items()])
    if intake.conflicts:
        images = count_noun(len(intake.conflicts), "image")
        refusals.append(f"{images} with the content of one of another class, unless data.allow_conflicts=true:")
        refusals += _cut([f"{one} = {other}" for one, other in intake.conflicts])
    return [f"a run refuses {refusals[0]}", *refusals[1:]] if refusals else []


def _cut(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - _MOST_FILES:,} more"] if len(lines) > _MOST_FILES else []
    return [f"  {line}" for line in (*lines[:_MOST_FILES], *more)]


def _choose_rows(labels: NDArray[np.int64], class_names: Sequence[str]) -> dict[str, list[int]]:
    """Return rows spread evenly over each class that the sheet shows, by class name."""
    chosen = {}
    for label in _choose_classes(np.bincount(labels, minlength=len(class_names))):
        rows = np.flatnonzero(labels == label)
        num = min(len(rows), _SHEET_COLUMNS)
        chosen[class_names[label]] = rows[np.arange(num) * len(rows) // max(num, 1)].tolist()
    return chosen


def _choose_classes(counts: NDArray[np.int64]) -> list[int]:
    """Return the classes to show, largest first: all, or the largest and the smallest halves of ``_MOST_CLASSES``."""
    ranked: list[int] = np.argsort(-counts, kind="stable").tolist()
    half = _MOST_CLASSES // 2
    return ranked if len(ranked) <= _MOST_CLASSES else ranked[:half] + ranked[-half:]


def _write_sheet(
    picture: Path,
    examples: Mapping[str, Sequence[NDArray[np.uint8]]],
    labels: Sequence[NDArray[np.int64]],
    class_names: Sequence[str],
) -> None:
    from compression.reporting.figures import save_figure
    from compression.reporting.figures.contact_sheet import draw_contact_sheet

    counts = np.bincount(np.concatenate(labels), minlength=len(class_names))
    rows = [(name, int(counts[class_names.index(name)]), images) for name, images in examples.items()]
    figure = draw_contact_sheet(rows, num_classes=len(class_names))
    picture.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, picture, crop=False)


def _format(
    name: str,
    labels: Sequence[NDArray[np.int64]],
    class_names: Sequence[str],
    facts: Sequence[tuple[str, str]],
    picture: Path,
    divided: str = "",
    findings: Sequence[str] = (),
    refusals: Sequence[str] = (),
) -> str:
    counts = np.stack([np.bincount(one, minlength=len(class_names)) for one in labels], axis=1)
    total = counts.sum(axis=1)
    chosen = _choose_classes(total)
    rows = [(class_names[one], *(f"{n:,}" for n in (total[one], *counts[one]))) for one in chosen]
    if len(chosen) < len(class_names):
        rows.insert(len(chosen) // 2, (f"... {len(class_names) - len(chosen)} more", "", "", "", ""))
    rows.append(("all", *(f"{n:,}" for n in (total.sum(), *counts.sum(axis=0)))))
    header = ("class", "images", "train", "val", "test")
    blocks = [
        f"{printable(name)}: {total.sum():,} images, {len(class_names)} classes{divided and f'; {divided}'}",
        format_table(header, rows=rows, right=(1, 2, 3, 4)),
        "\n".join(f"{label:<16} {printable(text)}" for label, text in facts),
        "\n".join(f"warning: {printable(line)}" for line in findings),
        "\n".join(map(printable, refusals)),
        f"picture: {picture}",
    ]
    return "\n\n".join(block for block in blocks if block)
