"""scikit-learn's 1,797 handwritten digits of 8x8 pixels: real data that needs no download."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from compression.data.arrays import assemble, hash_arrays
from compression.data.base import Dataset, ImageData
from compression.data.splits import order_by_seed, split_stratified

TEST_FRACTION = 0.2


class Digits(Dataset):
    """The digits as RGB images: grey levels 0..16 become 0..255 in three equal channels, resized to ``image_size``.

    The test part is the same 360 images for any seed.
    """

    name = "digits"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names "0" to "9"."""
        return tuple("0123456789")

    def count_images(self) -> tuple[int, ...]:
        """Return the number of all images of each digit, those of the test part too: it is a fixed share of each."""
        return tuple(np.bincount(_read_digits()[1]).tolist())

    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of scikit-learn's arrays of images and labels."""
        levels, labels = _read_digits()
        return hash_arrays({"digits": levels, "labels": labels})

    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:  # noqa: ARG002
        """Return the images in the parts train, val and test. ``cache_dir`` is not used: reading is fast."""
        levels, targets = _read_digits()
        grey = torch.from_numpy(np.rint(levels * (255 / 16)).astype(np.uint8))
        images = grey[:, None].expand(-1, 3, -1, -1)
        labels = torch.from_numpy(targets)
        order = order_by_seed(len(labels), "digits", "test")
        train, test = split_stratified(labels, fraction=TEST_FRACTION, order=order)
        return assemble(
            self,
            train=(images[train], labels[train]),
            test=(images[test], labels[test]),
            seed=seed,
        )


@cache
def _read_digits() -> tuple[np.ndarray, np.ndarray]:
    bunch = load_digits()
    return bunch.images, bunch.target.astype(np.int64)
