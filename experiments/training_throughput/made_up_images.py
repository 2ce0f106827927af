"""Random images of 32x32 pixels in ten classes, for measuring speed on a machine without a dataset."""

from pathlib import Path

import torch

from compression.data.arrays import assemble
from compression.data.augment import Augment
from compression.data.base import Dataset, ImageData

_TRAIN, _TEST = 1 << 16, 1 << 10


class MadeUpImages(Dataset):
    """65,536 training and 1,024 test images of random pixels. Speed depends on shapes alone, not on pixels."""

    name = "made-up"

    def __init__(self, *, batch_size: int) -> None:
        super().__init__(
            batch_size=batch_size,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            augment=Augment(crop_padding=4, horizontal_flip=True),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names "0" to "9"."""
        return tuple("0123456789")

    def fingerprint(self) -> str:
        """Return a name: the images are the same for every seed and on every machine."""
        return "made-up images, version 1"

    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:  # noqa: ARG002
        """Return the images in the parts train, val and test."""
        generator = torch.Generator().manual_seed(0)
        train, test = (
            (
                torch.randint(0, 256, (number, 3, 32, 32), dtype=torch.uint8, generator=generator),
                torch.randint(0, 10, (number,), generator=generator),
            )
            for number in (_TRAIN, _TEST)
        )
        return assemble(self, train=train, test=test, seed=seed)
