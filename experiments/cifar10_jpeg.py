"""CIFAR-10 as a folder of JPEG files: the images that the records call IMAGES.

usage: python experiments/cifar10_jpeg.py IMAGES

torchvision downloads the original images to data/cifar10 and verifies them. Each becomes a JPEG file of quality 75 in
IMAGES/train/CLASS or IMAGES/test/CLASS, named by its place among the images of its class.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL.Image import Image
from torchvision.datasets import CIFAR10

from compression.data.cifar10 import CLASS_NAMES

QUALITY = 75


def write_folder(images: Iterable[tuple[Image, int]], folder: Path) -> None:
    """Write ``images``, each with the index of its class, to a folder for each class."""
    seen: Counter[str] = Counter()
    for image, label in images:
        name = CLASS_NAMES[label]
        path = folder / name / f"{seen[name]:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=QUALITY)
        seen[name] += 1


if __name__ == "__main__":
    for part in ("train", "test"):
        write_folder(CIFAR10("data/cifar10", train=part == "train", download=True), Path(sys.argv[1]) / part)
