"""The command ``predict``: class probabilities of image files, predicted by an artifact."""

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.artifact import Artifact
from compression.commands.export_artifact import export_artifact
from compression.commands.processor_note import describe_saturation
from compression.core.errors import InputError, printable
from compression.core.file_names import ONNX
from compression.core.text import count_noun, shorten
from compression.data.decode import read_image
from compression.data.image_formats import EXTENSIONS, is_image
from compression.data.normalization import normalize
from compression.data.walk_folder import walk_folder
from compression.runtimes.engines import ENGINES, check_engine, load_ready, make_runtime
from compression.runtimes.runtime import Predictor
from compression.system.files import write_atomic

# Images that are predicted together.
_BATCH_SIZE = 64


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of one image, in the order of the artifact's class names: ``probabilities: [C]``."""

    path: Path
    probabilities: NDArray[np.float32]

    @property
    def best(self) -> int:
        """The index of the most probable class."""
        return int(self.probabilities.argmax())


@dataclass(frozen=True)
class FoundImages:
    """Paths of images, and the reasons for those that cannot be used: dead links, loops, damage."""

    paths: list[Path]
    faults: dict[str, str]


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Return the given image files, and the images of the given folders as ``find_images`` finds them.

    Raises InputError for a path that does not exist or has no image extension, for a folder without images, and for
    dead links, loops of links and unreadable folders inside a folder.
    """
    found = find_images(paths)
    refuse_faults(found)
    return found.paths


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Return the given image files, and the images at any depth of the given folders, sorted.

    Links are followed, and hidden files and thumbnail folders passed over, as in training. Raises InputError for a path
    that does not exist or has no image extension, and for a folder without images.
    """
    found = FoundImages([], {})
    allowed = ", ".join(extension.removeprefix(".") for extension in EXTENSIONS)
    for path in paths:
        if path.is_dir():
            walk = walk_folder(path)
            found.faults.update({f"{path}/{name}": reason for name, reason in sorted(walk.faults.items())})
            if not walk.images and not walk.faults:
                unread = ", ".join(f"{num:,} {kind}" for kind, num in walk.passed_over.unread.most_common(3))
                but = f" but {unread}, which is not read" if unread else ""
                raise InputError(f"{path} holds no images{but}; allowed: {allowed}")
            found.paths.extend(sorted(path / name for name in walk.images))
        elif not path.exists():
            kind = "is a dead link" if path.is_symlink() else "does not exist"
            raise InputError(f"{path} {kind}; allowed: image files and folders of them")
        elif not is_image(path.name):
            raise InputError(f"{path} is not an image; allowed: {allowed}")
        else:
            found.paths.append(path)
    return found


def refuse_faults(found: FoundImages, *, remedy: str = "repair or remove them") -> None:
    """Raise InputError with the first three paths that cannot be used and the ``remedy``, if there are any."""
    if found.faults:
        shown = shorten([f"{path} ({reason})" for path, reason in found.faults.items()], limit=3)
        raise InputError(f"{count_noun(len(found.faults), 'path')} that cannot be used: {shown}; {remedy}")


def make_predictor(artifact: Artifact, *, engine: str, threads: int, batch_sizes: Sequence[int] = (1,)) -> Predictor:
    """Return a function from normalized images [B, C, H, W] to logits [B, C]. Raises InputError.

    ``engine`` is a name in ``ENGINES``. An engine that reads ONNX gets a temporary file of the model. Batches of
    ``batch_sizes`` need no more preparation.
    """
    check_engine(engine, key="--engine")
    if not ENGINES[engine].reads_onnx:
        return load_ready(
            engine,
            artifact.model,
            threads=threads,
            image_size=artifact.image_size,
            channels=artifact.channels,
            batch_sizes=batch_sizes,
        )

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ONNX
        export_artifact(artifact, path)
        return make_runtime(engine).load(path, threads=threads)


def describe_risk(artifact: Artifact, *, engine: str) -> str | None:
    """Return a sentence if ``engine`` may give other results than on record, because this processor saturates."""
    return describe_saturation(artifact.plan) if ENGINES[engine].reads_onnx else None


def predict_images(
    artifact: Artifact,
    paths: Sequence[Path],
    *,
    predictor: Predictor,
    faults: dict[str, str] | None = None,
) -> Iterator[Prediction]:
    """Yield a prediction for every image, in order.

    Raises InputError that names a damaged file. With ``faults``, damaged files are added there with the reason instead,
    and have no prediction.
    """
    size, preparation = artifact.image_size, artifact.preparation
    for start in range(0, len(paths), _BATCH_SIZE):
        read: list[tuple[Path, Tensor]] = []
        for path in paths[start : start + _BATCH_SIZE]:
            try:
                read.append((path, read_image(path, image_size=size, preparation=preparation)))
            except InputError as error:
                if faults is None:
                    raise
                faults[str(path)] = str(error).removeprefix(f"{path}: ").partition(";")[0]
        if not read:
            continue
        images = torch.stack([image for _, image in read])
        normalized = normalize(images, mean=artifact.mean, std=artifact.std)
        logits = torch.from_numpy(predictor(normalized.contiguous().numpy()))
        for (path, _), row in zip(read, logits.softmax(dim=1).numpy(), strict=True):
            yield Prediction(path, row)


def write_csv(path: Path, predictions: Sequence[Prediction], *, class_names: Sequence[str]) -> None:
    """Write a CSV file with a line per image: file, most probable class, probability of every class (0 to 1)."""
    # Names come from files of unknown origin. Half of a surrogate pair cannot be written.
    names, text = [printable(name) for name in class_names], io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", *names])
    for prediction in predictions:
        probabilities = [f"{value:.6f}" for value in prediction.probabilities]
        writer.writerow([printable(str(prediction.path)), names[prediction.best], *probabilities])
    write_atomic(path, text.getvalue().encode())


def format_predictions(predictions: Sequence[Prediction], *, class_names: Sequence[str]) -> str:
    """Return a table with a row per image: file, most probable class, its probability (0 to 1)."""
    from compression.commands.text_table import format_table

    rows = [(str(one.path), class_names[one.best], f"{one.probabilities[one.best]:.3f}") for one in predictions]
    return format_table(("file", "class", "probability"), rows=rows, right=(2,))


def format_faults(found: FoundImages) -> str:
    """Return a line for each file that has no prediction, and their number."""
    lines = [f"left out: {printable(path)}: {printable(reason)}" for path, reason in found.faults.items()]
    total = len(lines)
    return "\n".join([*lines, f"{total:,} without a prediction"])
