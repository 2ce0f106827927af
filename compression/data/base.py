"""What a data set is to the rest of the framework: images and labels in three parts, and how to get them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from compression.data.augment import Augment
from compression.data.hashing import count_threads
from compression.data.options import (
    Triple,
    check_fraction,
    check_group_members,
    check_groups,
    check_int,
    check_int_or_auto,
    check_triple,
)


class ImageSource(Protocol):
    """Images made on demand: ``source[i]`` is a uint8 tensor [3, H, W]."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Tensor: ...


@dataclass(frozen=True)
class Split:
    """One part of a data set: images, uint8 [N, 3, H, W] or a source of them, and labels, int64 [N]."""

    images: Tensor | ImageSource
    labels: Tensor
    _moved: dict[torch.device, "Split"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def resident(self) -> bool:
        """True when the images are held in memory as one tensor."""
        return isinstance(self.images, Tensor)

    def to(self, device: torch.device | str) -> "Split":
        """Return the split with labels and, where they fit in half of the free memory, images on ``device``.

        Asking again for the same device gives the same tensors, so several readers share one copy.
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
    """A loaded data set; ``mean`` and ``std`` are on the 0..1 scale, ``warnings`` what the intake noticed."""

    name: str
    class_names: tuple[str, ...]
    image_size: int
    mean: Triple
    std: Triple
    train: Split
    val: Split
    test: Split
    class_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


class Dataset(ABC):
    """What ``_target_`` of a ``conf/data`` file builds; arguments are plain yaml values, checked at once.

    ``val_fraction`` of the training images is held out for validation. ``mean`` and ``std`` (0..1 scale)
    are measured from the remaining training images when null. ``num_workers`` = auto takes the cores this
    process may use, 16 at most. Raises InputError for a bad value.
    """

    name: str

    def __init__(
        self,
        *,
        image_size: int = 32,
        batch_size: int | str = 128,
        num_workers: int | str = "auto",
        val_fraction: float = 0.1,
        mean: Triple | None = None,
        std: Triple | None = None,
        augment: Augment | Mapping[str, object] | None = None,
        class_groups: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.image_size = check_int("image_size", image_size, minimum=8, maximum=2048)
        # A batch of one image has no variance to normalize by.
        self.batch_size = check_int_or_auto("batch_size", batch_size, minimum=2)
        workers = check_int_or_auto("num_workers", num_workers, minimum=0)
        self.num_workers = workers if isinstance(workers, int) else count_threads()
        self.val_fraction = check_fraction("val_fraction", val_fraction)
        self.mean = check_triple("mean", mean)
        self.std = check_triple("std", std, positive=True)
        self.augment = Augment.parse(augment)
        self.class_groups = check_groups(class_groups)

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in label order, found without decoding an image."""

    def check(self) -> None:
        """Raise InputError for everything wrong that shows within seconds; decodes no image."""
        check_group_members(self.class_groups, self.class_names)

    @abstractmethod
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of the names, sizes and content of all images."""

    @abstractmethod
    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:
        """Return the images in three parts; ``seed`` decides which training images validate, nothing else.

        ``cache_dir`` keeps decoded images for the next run, where decoding takes time.
        """
