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

from compression.artifact import Artifact
from compression.core.errors import InputError
from compression.data.decode import EXTENSIONS, read_image
from compression.data.normalization import normalize
from compression.runtimes.engines import ENGINES, check_engine, load_ready, make_runtime
from compression.runtimes.runtime import Predictor
from compression.system.files import write_atomic


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of one image, in the order of the artifact's class names: ``probabilities: [C]``."""

    path: Path
    probabilities: NDArray[np.float32]

    @property
    def best(self) -> int:
        """The index of the most probable class."""
        return int(self.probabilities.argmax())


def list_images(paths: Sequence[Path]) -> list[Path]:
    """Return the given image files, and the images at any depth of the given folders: sorted, hidden ones left out.

    Raises InputError for a path that does not exist, has no image extension, or is a folder without images.
    """
    images: list[Path] = []
    allowed = ", ".join(extension.removeprefix(".") for extension in EXTENSIONS)
    for path in paths:
        if path.is_dir():
            found = [file for file in sorted(path.rglob("*")) if _is_visible_image(file, root=path)]
            if not found:
                raise InputError(f"{path} holds no images; allowed: {allowed}")
            images += found
        elif not path.exists():
            raise InputError(f"{path} does not exist; allowed: image files and folders of them")
        elif path.suffix.lower() not in EXTENSIONS:
            raise InputError(f"{path} is not an image; allowed: {allowed}")
        else:
            images.append(path)
    return images


def _is_visible_image(file: Path, *, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in EXTENSIONS and file.is_file()


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

    from compression.runtimes.onnx_export import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(
            artifact.model,
            path,
            image_size=artifact.image_size,
            class_names=artifact.class_names,
            mean=artifact.mean,
            std=artifact.std,
            preparation=artifact.preparation,
        )
        return make_runtime(engine).load(path, threads=threads)


def predict_images(
    artifact: Artifact, paths: Sequence[Path], *, predictor: Predictor, batch_size: int = 64
) -> Iterator[Prediction]:
    """Yield a prediction for every image, in order. Raises InputError that names a damaged file."""
    size, preparation = artifact.image_size, artifact.preparation
    for start in range(0, len(paths), batch_size):
        chunk = paths[start : start + batch_size]
        images = torch.stack([read_image(path, image_size=size, preparation=preparation) for path in chunk])
        normalized = normalize(images, mean=artifact.mean, std=artifact.std)
        logits = torch.from_numpy(predictor(normalized.contiguous().numpy()))
        for path, row in zip(chunk, logits.softmax(dim=1).numpy(), strict=True):
            yield Prediction(path, row)


def write_csv(path: Path, predictions: Sequence[Prediction], *, class_names: Sequence[str]) -> None:
    """Write a CSV file with a line per image: file, most probable class, probability of every class (0 to 1)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "class", *class_names])
    for prediction in predictions:
        probabilities = [f"{value:.6f}" for value in prediction.probabilities]
        writer.writerow([prediction.path, class_names[prediction.best], *probabilities])
    write_atomic(path, text.getvalue().encode())


def format_predictions(predictions: Sequence[Prediction], *, class_names: Sequence[str]) -> str:
    """Return a table with a row per image: file, most probable class, its probability (0 to 1)."""
    from compression.commands.text_table import format_table

    rows = [(str(one.path), class_names[one.best], f"{one.probabilities[one.best]:.3f}") for one in predictions]
    return format_table(("file", "class", "probability"), rows=rows, right=(2,))
