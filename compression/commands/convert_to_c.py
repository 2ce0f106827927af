"""``convert --to c``: an artifact as a folder of C source, with images that the program checks itself with."""

import json
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from compression.artifact import Artifact
from compression.commands.convert_model import COptions
from compression.commands.predict_images import list_images
from compression.core.errors import InputError
from compression.core.file_names import METRICS
from compression.data.decode import read_image
from compression.data.normalization import normalize
from compression.runtimes.sparse.c_export.check_text import TestImages
from compression.runtimes.sparse.c_export.write_folder import VECTORS, check_folder, make_c_model, write_folder
from compression.runtimes.sparse.check_logits import TOLERANCE

NUM_IMAGES = 10
OPTIMIZE = ("size", "speed")
_DIGITS = "compression.data.digits.Digits"


def convert_to_c(
    artifact: Artifact, folder: Path, *, options: COptions, run_folder: Path
) -> tuple[int, tuple[str, ...]]:
    """Write ``artifact`` as C to the new or empty ``folder``; return the bytes of the files and facts, a line each.

    ``run_folder`` is searched for the record of the run, whose test images are used if no images are given and the data
    need no location. Raises InputError.
    """
    if options.vector not in VECTORS:
        raise InputError(f"--vector {options.vector!r} is unknown; allowed: {', '.join(VECTORS)}")
    if options.optimize not in OPTIMIZE:
        raise InputError(f"--optimize {options.optimize!r} is unknown; allowed: {', '.join(OPTIMIZE)}")
    check_folder(folder)
    pixels, origin = _choose_images(artifact, options.images, run_folder)
    model = make_c_model(
        artifact.model,
        shape=(artifact.channels, artifact.image_size, artifact.image_size),
        class_names=artifact.class_names,
        mean=artifact.mean,
        std=artifact.std,
        preparation=artifact.preparation,
        vector=options.vector,
        optimize="size" if options.optimize == "size" else "speed",
    )
    normalized = normalize(pixels, mean=artifact.mean, std=artifact.std)
    with torch.inference_mode():
        logits = artifact.model.eval()(normalized).numpy()
    if not np.isfinite(logits).all():
        raise InputError("the network has logits that are not finite on the test images; use --images FOLDER")
    # A value between two integers may be rounded to either.
    tolerance = TOLERANCE if artifact.plan is None else 5 * TOLERANCE
    images = TestImages(pixels.numpy(), logits, origin, tolerance)
    try:
        num_bytes = write_folder(folder, model, images)
    except OSError as error:
        raise InputError(f"--output {folder} cannot be written: {error.strerror}") from error
    facts = (
        f"flash: {model.table_bytes:,} bytes of tables, and the code (see size model.o)",
        f"RAM: {model.memory_bytes:,} bytes, static",
        f"test images: {origin}",
        model.describe_tables(),
        f"check: cd {shlex.quote(str(folder))} && cc -O2 *.c -lm && ./a.out",
    )
    return num_bytes, facts


def _choose_images(artifact: Artifact, given: Path | None, run_folder: Path) -> tuple[Tensor, str]:
    size = artifact.image_size
    if given is not None:
        paths = list_images([given])[:NUM_IMAGES]
        pixels = [read_image(path, image_size=size, preparation=artifact.preparation) for path in paths]
        return torch.stack(pixels), f"{len(paths)} of the given images"
    seed = _find_digits(run_folder)
    # The digits come with scikit-learn, which conversions do not need otherwise.
    if seed is not None and find_spec("sklearn") is not None:
        from compression.data.digits import Digits

        # The test part is the same for any seed.
        test = Digits(image_size=size, channels=artifact.channels).load(seed).test.images
        return torch.stack([test[index] for index in range(NUM_IMAGES)]), "test images of the run (digits)"
    noise = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, artifact.channels, size, size), dtype=np.uint8)
    return torch.from_numpy(noise), "seeded noise, because no images were given"


def _find_digits(folder: Path) -> int | None:
    """Return the seed of the run in ``folder`` if its data are the digits, which need no location; else None."""
    try:
        run = json.loads((folder / METRICS).read_text())["run"]
        return int(run["seed"]) if run["data"] == _DIGITS else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
