"""CIFAR-10 (Krizhevsky 2009), downloaded by torchvision, which verifies the checksum."""

import contextlib
import os
import socket
import tarfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from compression.core.errors import InputError
from compression.data.arrays import assemble, hash_arrays
from compression.data.augment import Augment
from compression.data.base import Dataset, ImageData
from compression.data.named_normalization import NAMED
from compression.data.options import PerChannel

# Seconds. A server that never answers must be reported before the user gives up on the command.
CONNECT_SECONDS = 8.0

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


# The usual normalization of its three channels, on the 0..1 scale.
MEAN, STD = NAMED["cifar10"]


class Cifar10(Dataset):
    """50,000 training and 10,000 test images of 32x32 pixels, downloaded into ``root`` if absent."""

    name = "cifar10"

    def __init__(
        self,
        *,
        root: str = "data/cifar10",
        image_size: int = 32,
        batch_size: int | str = 128,
        num_workers: int | str = "auto",
        val_fraction: float = 0.1,
        mean: PerChannel | None = MEAN,
        std: PerChannel | None = STD,
        augment: Augment | Mapping[str, object] | None = None,
        class_groups: Mapping[str, tuple[str, ...]] | None = None,
        sampling: str = "natural",
        folds: int | None = None,
        fold: int | None = None,
        channels: int = 3,
        normalization: str | None = None,
    ) -> None:
        if channels == 1 or normalization is not None:
            # The usual numbers are of three channels, and the default of runs that name no normalization.
            mean, std = _unless(mean, MEAN), _unless(std, STD)
        super().__init__(
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            val_fraction=val_fraction,
            mean=mean,
            std=std,
            augment=augment,
            class_groups=class_groups,
            sampling=sampling,
            folds=folds,
            fold=fold,
            channels=channels,
            normalization=normalization,
        )
        if not isinstance(root, str | os.PathLike) or not str(root):
            raise InputError(f"data.root={root}: allowed is the path of a folder")
        self.root = Path(root).expanduser()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The ten class names in label order."""
        return CLASS_NAMES

    def check(self) -> None:
        """Download the images if absent.

        Raises ``InputError`` if the download fails or if ``class_groups`` names an unknown class.
        """
        super().check()
        self._read(train=False)

    def count_images(self) -> tuple[int, ...]:
        """Return 5,000 for each class; with folds, the number over training and test images."""
        return (6_000 if self.folds else 5_000,) * len(CLASS_NAMES)

    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all images and labels. Downloads them if absent."""
        arrays: dict[str, np.ndarray] = {}
        for part in ("train", "test"):
            images, labels = self._read(train=part == "train")
            arrays |= {f"{part} images": images, f"{part} labels": labels.numpy()}
        return hash_arrays(arrays)

    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:  # noqa: ARG002
        """Return the images in the parts train, val and test. ``cache_dir`` is not used: reading is fast."""
        parts = []
        for train in (True, False):
            images, labels = self._read(train=train)
            # torchvision returns the stored [N, 3, 32, 32] as a view [N, 32, 32, 3].
            parts.append((torch.from_numpy(images.transpose(0, 3, 1, 2)), labels))
        return assemble(self, train=parts[0], test=parts[1], seed=seed)

    def _read(self, *, train: bool) -> tuple[np.ndarray, Tensor]:
        try:
            with _limit_connect_time(), warnings.catch_warnings():
                # An old NumPy pickled the batches with this flag as an integer, of which a newer one warns.
                warnings.filterwarnings("ignore", message=r"dtype\(\): align")
                source = CIFAR10(str(self.root), train=train, download=True)
        except (OSError, RuntimeError, EOFError, tarfile.TarError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"data.root={self.root}: CIFAR-10 is not there and the download of {CIFAR10.url} failed "
                f"({reason}); put {CIFAR10.filename} into that folder, delete a damaged copy, "
                "or use data=digits or data=image_folder"
            ) from error
        return source.data, torch.tensor(source.targets, dtype=torch.int64)


@contextlib.contextmanager
def _limit_connect_time() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unless(given: PerChannel | None, usual: PerChannel) -> PerChannel | None:
    return None if isinstance(given, Sequence) and tuple(given) == usual else given
