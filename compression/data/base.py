"""The interface of data sets: images and labels in the parts train, val and test, and the class that loads them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from compression.core.preparation import Fit, Preparation
from compression.data.augment import Augment
from compression.data.hashing import count_threads
from compression.data.named_normalization import choose_normalization
from compression.data.options import (
    PerChannel,
    check_channels,
    check_choice,
    check_folds,
    check_fraction,
    check_group_members,
    check_groups,
    check_int,
    check_int_or_auto,
    check_per_channel,
)


class ImageSource(Protocol):
    """A sequence of images made on demand: ``source[i]`` is a uint8 tensor ``[C, H, W]``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


@dataclass(frozen=True)
class Split:
    """One part of a data set: images (uint8 ``[N, C, H, W]`` or an ``ImageSource``) and labels (int64 ``[N]``)."""

    images: Tensor | ImageSource
    labels: Tensor
    _moved: dict[torch.device, "Split"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resident(self) -> bool:
        """True if the images are in memory as one tensor."""
        return isinstance(self.images, Tensor)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split with its labels on ``device``, and its images too if they fit.

        On CUDA, images fit if they take at most half of the free GPU memory. Repeated calls for one device return the
        same tensors, so several readers share one copy.
        """
        device = torch.device(device)
        if self.labels.device == device:
            return self
        if device not in self._moved:
            images = self.images
            if isinstance(images, Tensor) and _fits(images, device):
                images = images.to(device)
            self._moved[device] = Split(images, self.labels.to(device))
        return self._moved[device]


def _fits(images: Tensor, device: torch.device) -> bool:
    return device.type != "cuda" or images.nbytes <= torch.cuda.mem_get_info(device)[0] / 2


@dataclass(frozen=True)
class ImageData:
    """A loaded data set.

    ``image_size`` is height and width in pixels. ``mean`` and ``std`` per channel are on the 0..1 scale. ``warnings``
    are the findings of the intake check, one line each. ``shapes`` says how wide to high the originals are, and what
    happens to those that are not square.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: int
    mean: PerChannel
    std: PerChannel
    train: Split
    val: Split
    test: Split
    class_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    shapes: str = ""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


class Dataset(ABC):
    """Base class of data sets, which ``_target_`` of a ``conf/data`` file names.

    Arguments are plain yaml values and are checked at once; a bad value raises ``InputError``. ``val_fraction`` of the
    training images is held out for validation. If ``mean`` or ``std`` (0..1 scale) is null, it is measured on the
    remaining training images. ``normalization`` names both instead: a key of ``NAMED``, or measured. ``channels=1``
    makes the images grey. ``num_workers=auto`` uses the cores that this process may use, at most 16.

    ``sampling`` is natural (every training image once an epoch) or balanced (every class equally often). With ``folds``
    all images, those of the test part too, are divided into as many folds, the same for every seed; the images of
    ``fold`` (from 1) are the test part.

    ``added`` has the default of every argument that came after people kept stages. At this value the argument is left
    out of the keys of stages, so that earlier stages are still found.
    """

    name: str
    added: ClassVar[Mapping[str, Any]] = {
        "sampling": "natural",
        "folds": None,
        "fold": None,
        "channels": 3,
        "normalization": None,
    }

    def __init__(
        self,
        *,
        image_size: int = 32,
        batch_size: int | str = 128,
        num_workers: int | str = "auto",
        val_fraction: float = 0.1,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        augment: Augment | Mapping[str, object] | None = None,
        class_groups: Mapping[str, tuple[str, ...]] | None = None,
        sampling: str = "natural",
        folds: int | None = None,
        fold: int | None = None,
        channels: int = 3,
        normalization: str | None = None,
    ) -> None:
        self.image_size = check_int("image_size", image_size, minimum=8, maximum=2048)
        # Batch norm cannot train on a batch of one image: it has no variance.
        self.batch_size = check_int_or_auto("batch_size", batch_size, minimum=2)
        workers = check_int_or_auto("num_workers", num_workers, minimum=0)
        self.num_workers = workers if isinstance(workers, int) else count_threads()
        self.val_fraction = check_fraction("val_fraction", val_fraction)
        self.channels = check_channels(channels)
        self.mean, self.std = choose_normalization(
            normalization,
            mean=check_per_channel("mean", mean, channels=self.channels),
            std=check_per_channel("std", std, channels=self.channels, positive=True),
            channels=self.channels,
        )
        self.augment = Augment.parse(augment)
        self.augment.check_fits(self.image_size)
        self.class_groups = check_groups(class_groups)
        self.sampling = check_choice("sampling", sampling, "natural", "balanced")
        self.folds = check_folds(folds, fold)

    @property
    def fit(self) -> Fit:
        """What happens to images that are not square: crop, pad or stretch, never auto."""
        return "crop"

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes pixels like those of this data set."""
        return Preparation(channels=self.channels, fit=self.fit)

    @property
    def decided(self) -> Mapping[str, Any]:
        """Arguments that images decide, as they stand in the keys of stages in place of the configured ones.

        None leaves an argument out of the keys.
        """
        return {}

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in label order, available without decoding an image."""

    def check(self) -> None:
        """Raise ``InputError`` for any problem that shows within seconds. Decodes no image."""
        check_group_members(self.class_groups, self.class_names)

    @classmethod
    def collect_added(cls) -> dict[str, Any]:
        """Return ``added`` of this class and of the classes that it inherits from."""
        return {key: value for one in reversed(cls.__mro__) for key, value in vars(one).get("added", {}).items()}

    def count_images(self) -> tuple[int, ...]:
        """Return the number of images of each class, in label order, without the test part if there is one.

        Images that are held out for validation count too, so the numbers do not depend on the seed.
        """
        data = self.load(0)
        labels = torch.cat([data.train.labels.cpu(), data.val.labels.cpu()])
        return tuple(torch.bincount(labels, minlength=data.num_classes).tolist())

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a SHA-256, in hex, that changes with any image: the identity of the data in caches and stages."""

    @abstractmethod
    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:
        """Return the images in the parts train, val and test.

        ``seed`` decides only which training images become validation images. Data sets that are slow to decode keep
        decoded images in ``cache_dir`` for the next run.
        """
