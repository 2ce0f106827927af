"""The images of a run, and the batches that stages read."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compression.core.class_scores import MONITORS, choose_monitor
from compression.core.seeding import derive_seed
from compression.data.base import Dataset, ImageData
from compression.data.batch_size import find_batch_size
from compression.data.batches import Batches
from compression.data.intake_line import intake_line
from compression.data.normalization import UNCHANGED_MEAN, UNCHANGED_STD
from compression.data.options import DEFAULTS_OF_OTHERS
from compression.data.small_parts import list_size_warnings
from compression.data.subsets import take_spread
from compression.run.code_identity import foreign_code
from compression.run.ranks import local_rank

log = logging.getLogger(__name__)

# Settings that say where images are and how they reach the device. They change no computed value.
_NOT_IN_IDENTITY = (
    *("root", "num_workers", "resident", "resident_limit_mib", "class_groups", "batch_size"),
    # What these let in or leave out shows in the fingerprint of the files.
    *("include", "exclude", "allow_conflicts", "allow_nested"),
)


@dataclass(frozen=True)
class RunData:
    """The images of one run. Teacher and student share one object, so the images are read once.

    ``settings`` is the group ``data`` of the configuration. ``build_probe`` returns the dense network; it is trained
    for a moment to find the batch size of ``data.batch_size=auto``. ``wanted_monitor`` is ``training.monitor``.
    """

    dataset: Dataset
    settings: dict[str, Any]
    seed: int
    device: torch.device
    cache_dir: Path
    build_probe: Callable[[], nn.Module]
    wanted_monitor: str = "accuracy"

    @property
    def image_size(self) -> int:
        """Height and width of an image, in pixels."""
        return self.dataset.image_size

    @property
    def channels(self) -> int:
        """Number of channels of an image: 3 for RGB, 1 for grey."""
        return self.dataset.channels

    @property
    def input_spec(self) -> dict[str, Any]:
        """The description of the input for an artifact; reads the images for their mean and standard deviation."""
        images = self.images
        given = {"size": images.image_size, "mean": images.mean, "std": images.std}
        return given | self.dataset.preparation.to_json()

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their labels."""
        return list(self.dataset.class_names)

    @property
    def num_classes(self) -> int:
        """Number of outputs of a classifier for these images."""
        return len(self.dataset.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the dataset's files."""
        return self.dataset.fingerprint()

    @cached_property
    def class_counts(self) -> tuple[int, ...]:
        """Number of images of each class, held-out ones included; the same for every seed and fold."""
        return self.dataset.count_images()

    @cached_property
    def monitor(self) -> str:
        """The score that epochs and models are chosen by: accuracy, balanced_accuracy or macro_f1."""
        return choose_monitor(self.class_counts) if self.wanted_monitor == "auto" else self.wanted_monitor

    def describe_monitor(self) -> str | None:
        """Return a line if the classes decide that choices are made by another score than accuracy."""
        if self.wanted_monitor != "auto" or self.monitor == "accuracy":
            return None
        counted = sorted(
            (count, name) for count, name in zip(self.class_counts, self.class_names, strict=True) if count
        )
        (fewest, rare), (most, common) = counted[0], counted[-1]
        return (
            f"epochs and models are chosen by {MONITORS[self.monitor]}, for class {common} has {most:,} images and "
            f"{rare} {fewest:,}; training.monitor=accuracy chooses by accuracy"
        )

    @cached_property
    def images(self) -> ImageData:
        """Images and labels in three parts; read from disk at the first access."""
        images = self.dataset.load(self.seed, cache_dir=self.cache_dir)
        log.info("data  %s", intake_line(images, mirrored=self.dataset.augment.horizontal_flip))
        for warning in (*images.warnings, *list_size_warnings(images, monitor=self.monitor)):
            log.warning("data  %s", warning)
        return images

    @cached_property
    def batch_size(self) -> int:
        """Images per training batch. For ``data.batch_size=auto`` the largest that fits is found by trial."""
        wanted = self.dataset.batch_size
        if wanted != "auto":
            return int(wanted)
        # The images go to the device first, so that the trial finds the memory that training will find.
        for part in (self.images.train, self.images.val):
            part.to(self.device)
        found = find_batch_size(
            self.build_probe(),
            image_size=self.image_size,
            num_classes=self.num_classes,
            device=self.device,
            num_images=len(self.images.train),
            channels=self.channels,
        )
        log.info("data  batch size %d", found)
        return found

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything about the data that changes results: file contents, splits, augmentation, batch size."""
        decided, added = self.dataset.decided, self.dataset.collect_added()
        ignored = {*_NOT_IN_IDENTITY, *DEFAULTS_OF_OTHERS, *decided}
        kept = {
            key: value
            for key, value in self.settings.items()
            if key not in ignored and not (key in added and value == added[key])
        }
        kept |= {key: value for key, value in decided.items() if value is not None}
        if kept.get("augment"):
            # A later version added it; without a square, the images are those of earlier versions.
            kept["augment"] = {key: value for key, value in kept["augment"].items() if (key, value) != ("cutout", 0)}
        if kept.pop("normalization", None) is not None:
            # Its numbers count, and not its name.
            mean, std = self.dataset.mean, self.dataset.std
            kept |= {"mean": None if mean is None else list(mean), "std": None if std is None else list(std)}
        if code := foreign_code(self.settings):
            kept["code"] = code
        return kept | {"batch_size": self.batch_size, "fingerprint": self.fingerprint}

    def train_batches(self, *, devices: int = 1) -> Batches:
        """Return shuffled, augmented training batches; with several ``devices``, this process's share of each."""
        return self._batches("train", shuffle=True, augment=True, num_shares=devices)

    def plain_train_batches(self, *, batch_size: int | None = None) -> Iterable[tuple[Tensor, Tensor]]:
        """Return training batches without augmentation in one shuffled order, for gradients and activation ranges.

        ``batch_size`` in images is that of training by default.
        """
        return self._batches("train", shuffle=True, augment=False, batch_size=batch_size)

    def val_batches(self) -> Batches:
        """Return the held-out training images in order."""
        return self._batches("val", shuffle=False, augment=False)

    def test_batches(self) -> Batches:
        """Return the test images in order."""
        return self._batches("test", shuffle=False, augment=False)

    def test_pixels(self, *, most: int) -> Batches:
        """Return at most ``most`` test images, spread evenly, as float pixels from 0 to 1 before normalization."""
        return self._batches("test", shuffle=False, augment=False, raw=True, most=most)

    def val_subset(self, num_images: int) -> list[tuple[Tensor, Tensor]]:
        """Return ``num_images`` held-out training images in batches, or all of them if there are fewer.

        They are spread evenly, because a folder lists its classes one after the other.
        """
        total = len(self.images.val)
        chosen = torch.zeros(total, dtype=torch.bool)
        chosen[torch.arange(min(num_images, total)) * total // min(num_images, total)] = True
        batches, start = [], 0
        for images, labels in self.val_batches():
            here = chosen[start : start + len(labels)].to(images.device)
            start += len(labels)
            if here.any():
                batches.append((images[here].contiguous(memory_format=torch.channels_last), labels[here]))
        return batches

    def _batches(
        self,
        part: str,
        *,
        shuffle: bool,
        augment: bool,
        num_shares: int = 1,
        raw: bool = False,
        most: int | None = None,
        batch_size: int | None = None,
    ) -> Batches:
        split = getattr(self.images, part)
        return Batches(
            split=split if most is None else take_spread(split, most),
            mean=UNCHANGED_MEAN if raw else self.images.mean,
            std=UNCHANGED_STD if raw else self.images.std,
            batch_size=batch_size or self.batch_size,
            device=self.device,
            augment=self.dataset.augment if augment else None,
            shuffle=shuffle,
            balanced=shuffle and self.dataset.sampling == "balanced",
            seed=derive_seed(self.seed, part),
            num_workers=self.dataset.num_workers,
            num_shares=num_shares,
            share=local_rank() if num_shares > 1 else 0,
        )
