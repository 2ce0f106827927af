"""The command ``analyze``: how a model fails on labelled images, alone or against another model."""

import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compression.analysis.predictions import Predictions
from compression.artifact import Artifact
from compression.commands.compared_file import ComparedFile
from compression.commands.labelled_images import LabelledImages, find_images, match_classes
from compression.commands.predict_images import make_predictor
from compression.core.accuracy import collect_logits
from compression.core.errors import InputError
from compression.core.preparation import COLOUR_NAMES
from compression.data.base import Split
from compression.data.batches import Batches
from compression.data.hashing import count_threads
from compression.data.normalization import UNCHANGED_MEAN, UNCHANGED_STD, on_pixels
from compression.data.subsets import read_pixels, take_spread
from compression.storage.blocks import MAX_DECODED_BYTES
from compression.system.extras import require_packages

# The engine of the analysis. Its kernels run integers as integers.
ENGINE = "onnxruntime"

Model = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Analyzing:
    """Settings of an analysis. ``data`` is digits, cifar10, a folder, or None for the data of the file's own run.

    ``allow`` and ``max_bytes`` are those with which the files were opened.
    """

    data: str | None
    batch_size: int
    num_workers: int | None
    threads: int
    allow: Sequence[str] = ()
    max_bytes: int = MAX_DECODED_BYTES


def check_analysis(file: ComparedFile, against: ComparedFile | None, folder: Path) -> None:
    """Raise InputError unless the two files have the same classes and image size, and ``folder`` can be written."""
    require_packages("jinja2", "matplotlib", "onnx", "onnxruntime", "onnxscript", "scipy")
    if against is not None:
        match_classes(against.artifact.class_names, file.artifact.class_names, source=f"--against {against.path}")
        sizes = [one.artifact.image_size for one in (file, against)]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"--against {against.path} reads images of {sizes[1]}x{sizes[1]} pixels, {file.path} of "
                f"{sizes[0]}x{sizes[0]}; allowed: files of the same image size"
            )
        ours, its = (one.artifact.preparation for one in (file, against))
        if (ours.channels, ours.fit) != (its.channels, its.fit):
            words = [f"{COLOUR_NAMES[one.channels]} images, {one.describe_fit()}" for one in (its, ours)]
            raise InputError(
                f"--against {against.path} reads {words[0]}, {file.path} {words[1]}; allowed: files of the same input"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"--output-dir {folder} cannot be written: {error.strerror or error}") from error


def analyze_file(file: ComparedFile, against: ComparedFile | None, *, how: Analyzing, folder: Path) -> str:
    """Write the failure analysis of ``file`` into ``folder``; return its headline and the names of its files.

    ``against``, usually the dense model, gives the part about the change. ``check_analysis`` has accepted the
    arguments. Raises InputError for images that do not fit, before any model runs.
    """
    # Imported late, because they need SciPy.
    from compression.analysis.robustness import MOST_IMAGES, measure_robustness
    from compression.reporting.failure_record import make_failure_record
    from compression.reporting.write_failures import write_failures
    from compression.run.report.run_html import write_failure_html

    images = find_images(how.data, file.artifact, run_folder=file.path.parent, num_workers=how.num_workers)
    files = {"model": file} if against is None else {"dense": against, "compressed": file}
    models = {name: _open_model(one.artifact, file.artifact, how) for name, one in files.items()}
    held_out, pixels = images.held_out, _read(take_spread(images.test, MOST_IMAGES), how)
    test = _predict(files, models, images.test, how)
    record = make_failure_record(
        test,
        held_out=None if held_out is None else _predict(files, models, held_out, how),
        groups=images.groups,
        robustness=measure_robustness(
            {
                name: on_pixels(models[name], mean=one.artifact.mean, std=one.artifact.std)
                for name, one in files.items()
            },
            pixels,
            seed=0,
        ),
        layers=None
        if against is None
        else _compare_layers(against.artifact, file.artifact, held_out or images.test, how),
    )
    record["data"] = images.origin
    record["files"] = {
        name: {"path": str(one.path), "arithmetic": one.arithmetic, "engine": ENGINE} for name, one in files.items()
    }
    saturation = [f"note: {name}: {note}" for name, one in files.items() if (note := one.saturation) is not None]
    written = write_failures(folder, record, test, load_images=partial(read_pixels, images.test))
    again = _describe_command(file, against, how, folder)
    written.insert(0, write_failure_html(folder, remake=(again, "python -m compression report . --html")).name)
    return "\n".join([*saturation, *_summarize(record, images, folder, written)])


def _describe_command(file: ComparedFile, against: ComparedFile | None, how: Analyzing, folder: Path) -> str:
    options = [
        ("--against", against and against.path),
        ("--data", how.data),
        ("--output-dir", folder),
        *(("--allow-import", package) for package in how.allow),
        ("--max-bytes", None if how.max_bytes == MAX_DECODED_BYTES else how.max_bytes),
    ]
    words = [f"{word}" for key, value in options if value is not None for word in (key, value)]
    return shlex.join(["python", "-m", "compression", "analyze", f"{file.path}", *words])


def _open_model(artifact: Artifact, subject: Artifact, how: Analyzing) -> Model:
    """Return a function from normalized images to logits, in the order of the classes of ``subject``."""
    predict = make_predictor(artifact, engine=ENGINE, threads=how.threads)
    order = match_classes(subject.class_names, artifact.class_names, source="")

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(predict(images.contiguous().numpy()))[:, order]

    return run


def _predict(
    files: Mapping[str, ComparedFile], models: Mapping[str, Model], split: Split, how: Analyzing
) -> dict[str, Predictions]:
    found = {}
    *_, subject = files.values()
    for name, one in files.items():
        logits, labels = collect_logits({name: models[name]}, _read(split, how, artifact=one.artifact))
        found[name] = Predictions(logits[name].numpy(), labels.numpy(), subject.artifact.class_names)
    return found


def _read(split: Split, how: Analyzing, *, artifact: Artifact | None = None) -> Batches:
    """Return batches of the images: normalized as ``artifact`` wants them, or pixels on the 0..1 scale."""
    return Batches(
        split=split,
        mean=UNCHANGED_MEAN if artifact is None else artifact.mean,
        std=UNCHANGED_STD if artifact is None else artifact.std,
        batch_size=how.batch_size,
        device="cpu",
        num_workers=count_threads() if how.num_workers is None else how.num_workers,
    )


def _compare_layers(dense: Artifact, compressed: Artifact, split: Split, how: Analyzing) -> list[dict[str, Any]] | None:
    """Return the layer errors on held-out images; None if the two models do not read the same input."""
    from compression.reporting.layer_comparison import NUM_IMAGES, compare_layers

    if (dense.class_names, dense.mean, dense.std) != (compressed.class_names, compressed.mean, compressed.std):
        return None
    batches = _read(take_spread(split, NUM_IMAGES), how, artifact=compressed)
    torch.set_num_threads(how.threads)
    return compare_layers(dense, compressed, (images for images, _ in batches))


def _summarize(
    record: Mapping[str, Any], images: LabelledImages, folder: Path, written: Sequence[str]
) -> Iterator[str]:
    """Yield the lines to print: what ran on what, the headline of the text, the verdict, and the files."""
    from compression.reporting.failure_report import write_failure_report

    for name, one in record["files"].items():
        yield f"{name}: {one['path']}, {one['arithmetic']}, run by {one['engine']}"
    yield f"images: {images.origin}"
    for note in images.notes:
        yield f"note: {note}"
    if images.held_out is None:
        yield "note: no held-out training images are known, so no temperature is fitted"
    yield ""
    yield write_failure_report(record).partition("\n\n")[0]
    if record["change"] is not None:
        yield record["change"]["verdict"]
    yield ""
    yield f"in {folder}: {', '.join(written)}"
