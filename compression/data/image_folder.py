"""Images of the user: a folder of class folders, already divided into train and test or divided here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.core.preparation import COLOURS, Colour, Fit, Preparation
from compression.data.augment import Augment
from compression.data.base import Dataset, ImageData, Split
from compression.data.equal_images import refuse_conflicts
from compression.data.file_images import FileImages
from compression.data.folder_division import Division
from compression.data.folder_intake import inspect_folder
from compression.data.hashing import FileHashes, hash_files
from compression.data.image_facts import describe_aspects
from compression.data.image_headers import Headers, read_headers
from compression.data.image_scan import Decoded, decode_files
from compression.data.intake_check import Intake, refuse_damaged
from compression.data.listing import FolderListing, list_folder, refuse_faults
from compression.data.normalization import measure_normalization
from compression.data.options import (
    AUTO,
    PerChannel,
    check_background,
    check_bool,
    check_fit,
    check_fraction,
    check_int,
    check_value_range,
)
from compression.data.path_patterns import PathPatterns, check_group_pattern, check_patterns, find_groups

# Images whose longer side is on average this many times the shorter one are padded by default.
PADDED_ASPECT = 1.1


@dataclass(frozen=True)
class Examined:
    """A folder after one pass over its images. ``parts`` has the rows of ``listing`` in train, val and test."""

    listing: FolderListing
    decoded: Decoded
    parts: Mapping[str, Tensor]
    intake: Intake


class ImageFolder(Dataset):
    """Images under ``root/{train,test[,val]}/<class>``, or under ``root/<class>``.

    In the second case ``test_fraction`` of the images become the test part. Which ones depends on their content alone,
    not on names or the seed. ``resident=auto`` keeps all pixels in memory if they fit in ``resident_limit_mib`` (MiB)
    and in half of the machine's memory. Otherwise images are decoded at each use.

    ``include`` and ``exclude`` are glob patterns on the path inside ``root``. Images for which the first group of the
    regular expression ``group_pattern`` is equal stay together in every split. ``skip_corrupt`` leaves damaged images
    and dead links out instead of raising an error. ``allow_conflicts`` accepts equal images in two classes,
    ``allow_nested`` class folders that hold only folders.

    ``fit=auto`` pads if the mean of longer by shorter side is above 1.1 among the training images (of at most 1,000 of
    them, spread evenly; of all parts, if the parts are divided here), and else cuts out the centre square.
    ``background``, ``channels`` and ``value_range`` are those of ``Preparation``.
    """

    name = "image_folder"
    added: ClassVar[Mapping[str, Any]] = {
        **Dataset.added,
        "include": None,
        "exclude": None,
        "group_pattern": None,
        "allow_conflicts": False,
        "allow_nested": False,
        "value_range": None,
    }

    def __init__(
        self,
        *,
        root: str,
        image_size: int = 32,
        batch_size: int | str = 128,
        num_workers: int | str = "auto",
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        augment: Augment | Mapping[str, object] | None = None,
        class_groups: Mapping[str, tuple[str, ...]] | None = None,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        group_pattern: str | None = None,
        sampling: str = "natural",
        folds: int | None = None,
        fold: int | None = None,
        skip_corrupt: bool = False,
        allow_conflicts: bool = False,
        allow_nested: bool = False,
        resident: bool | str = "auto",
        resident_limit_mib: int = 4096,
        channels: int = 3,
        fit: str = AUTO,
        background: str | Colour | None = "white",
        value_range: tuple[float, float] | None = None,
        normalization: str | None = None,
    ) -> None:
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
        if resident != "auto" and not isinstance(resident, bool):
            raise InputError(f"data.resident={resident}: allowed is auto, true or false")
        self.root = Path(root).expanduser()
        self.test_fraction = check_fraction("test_fraction", test_fraction)
        self.patterns = PathPatterns(check_patterns("include", include), check_patterns("exclude", exclude))
        self.group_pattern = check_group_pattern(group_pattern)
        self.skip_corrupt = check_bool("skip_corrupt", skip_corrupt)
        self.allow_conflicts = check_bool("allow_conflicts", allow_conflicts)
        self.allow_nested = check_bool("allow_nested", allow_nested)
        self.resident = resident
        self.resident_limit_mib = check_int("resident_limit_mib", resident_limit_mib, minimum=1)
        self.given_fit = check_fit(fit)
        self.background = check_background(background)
        self.value_range = check_value_range(value_range)

    @cached_property
    def _listing(self) -> FolderListing:
        return list_folder(self.root, patterns=self.patterns, allow_nested=self.allow_nested)

    @cached_property
    def _hashes(self) -> FileHashes:
        return hash_files(self.root, self._listing.names)

    @cached_property
    def _division(self) -> Division:
        pattern, names = self.group_pattern, self._listing.names
        groups = None if pattern is None else find_groups(names, pattern)
        return Division(self._listing, self.val_fraction, self.test_fraction, groups=groups, folds=self.folds)

    @cached_property
    def _headers(self) -> Headers:
        names, parts = self._listing.names, self._listing.parts
        if parts is not None:
            names = tuple(name for name, part in zip(names, parts, strict=True) if part == "train")
        return read_headers(self.root, names)

    @property
    def fit(self) -> Fit:
        """What happens to images that are not square; ``auto`` is decided by the formats of the images."""
        if self.given_fit is not None:
            return self.given_fit
        return "pad" if self._headers.mean_aspect > PADDED_ASPECT else "crop"

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes pixels."""
        return Preparation(
            channels=self.channels, fit=self.fit, background=self.background, value_range=self.value_range
        )

    @property
    def decided(self) -> Mapping[str, Any]:
        """Return ``fit`` unless it is crop, and ``background`` if a run may depend on it.

        Earlier versions cropped every image and dropped transparency. Stages made that way keep their keys.
        """
        fit = self.fit
        ground: list[int] | str | None = None if self.background is None else list(self.background)
        if fit == "pad":
            return {"fit": fit, "background": ground or "black"}
        if not self._headers.transparent:
            # An image outside of the sample of headers may be transparent, and files keep the ground for later images.
            ground = None if self.background == COLOURS["white"] else ground or "dropped"
        return {"fit": None if fit == "crop" else fit, "background": ground}

    @property
    def class_names(self) -> tuple[str, ...]:
        """Sorted names of the class folders. Raises ``InputError`` for a folder that ``list_folder`` refuses."""
        return self._listing.class_names

    def check(self) -> None:
        """Raise ``InputError`` for any problem of folders, names and class sizes. Opens no image."""
        super().check()
        if not self.skip_corrupt:
            refuse_faults(self._listing)
        self._division.check()

    def count_images(self) -> tuple[int, ...]:
        """Return the number of files of each class, without those of a folder ``test``. Opens no image."""
        listing = self._listing
        joined = listing.parts is None or self.folds is not None
        kept = [label for i, label in enumerate(listing.labels) if joined or (listing.parts or ())[i] != "test"]
        return tuple(np.bincount(kept, minlength=len(listing.class_names)).tolist())

    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of the names, sizes and content of all images under ``root``."""
        return self._hashes.fingerprint

    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:
        """Return the images in the parts train, val and test.

        Decodes every image once, or reads decoded images from ``cache_dir``. Raises ``InputError`` as ``examine`` does.
        """
        found = self.examine(seed, cache_dir=cache_dir)
        decoded, parts = found.decoded, found.parts
        mean, std = self.mean, self.std
        if mean is None or std is None:
            measured = measure_normalization(
                decoded.pixel_sums[parts["train"].numpy()], pixels_per_image=self.image_size**2
            )
            mean, std = mean or measured[0], std or measured[1]
        shapes = describe_aspects(decoded.facts)
        shapes = shapes if shapes == "square" else f"{shapes}, {self.preparation.describe_fit()}"
        return ImageData(
            name=self.name,
            class_names=self.class_names,
            image_size=self.image_size,
            mean=mean,
            std=std,
            class_groups=self.class_groups,
            warnings=(*found.intake.list_warnings(), *self._division.describe_folds()),
            shapes=shapes,
            **{part: self._make_split(decoded, rows) for part, rows in parts.items()},
        )

    def examine(self, seed: int, *, cache_dir: Path | None = None) -> Examined:
        """Return the decoded images, their parts, and what was found about them.

        Raises ``InputError`` for damaged images unless ``skip_corrupt`` is set, for equal images in two classes unless
        ``allow_conflicts`` is set, and for a class that has no readable image left in some part.
        """
        self.check()
        decoded = decode_files(
            self.root,
            self._listing.names,
            image_size=self.image_size,
            keep=self._is_resident(),
            fingerprint=self.fingerprint(),
            cache_dir=cache_dir,
            preparation=self.preparation,
        )
        if not self.skip_corrupt:
            refuse_damaged(self.root, {self._listing.names[i]: why for i, why in decoded.damaged.items()})
        rows = [row for row in range(len(self._listing.names)) if row not in decoded.damaged]
        parts = self._division.divide(rows, digests=self._hashes.digests, seed=seed)
        intake = inspect_folder(
            *(self._listing, decoded, parts),
            digests=self._hashes.digests,
            groups=self._division.groups,
            pixels_per_image=self.image_size**2,
        )
        if not self.allow_conflicts:
            refuse_conflicts(self.root, intake.conflicts)
        return Examined(self._listing, decoded, parts, intake)

    def _is_resident(self) -> bool:
        if isinstance(self.resident, bool):
            return self.resident
        needed = len(self._listing.names) * self.channels * self.image_size**2
        return needed <= min(self.resident_limit_mib * 2**20, psutil.virtual_memory().total // 2)

    def _make_split(self, decoded: Decoded, rows: Tensor) -> Split:
        labels = torch.from_numpy(np.array(self._listing.labels, np.int64)[rows.numpy()])
        if decoded.images is not None:
            return Split(torch.from_numpy(decoded.images[rows.numpy()]), labels)
        paths = [f"{self.root}/{self._listing.names[i]}" for i in rows.tolist()]
        return Split(FileImages(paths, image_size=self.image_size, preparation=self.preparation), labels)
