"""Images of the user: a folder of class folders, already divided into train and test or divided here."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.data.augment import Augment
from compression.data.base import Dataset, ImageData, Split
from compression.data.decode import read_image
from compression.data.folds import assign_folds, check_can_fold
from compression.data.hashing import hash_files
from compression.data.image_scan import Decoded, decode_files
from compression.data.intake_check import Intake, inspect_images, refuse_damaged
from compression.data.listing import FolderListing, check_can_split, list_folder
from compression.data.normalization import measure_normalization
from compression.data.options import Triple, check_bool, check_fraction, check_int
from compression.data.splits import order_by_content, order_by_seed, split_stratified


class FileImages:
    """Images decoded from their files at each access; ``source[i]`` is uint8 ``[3, image_size, image_size]``."""

    def __init__(self, paths: list[str], *, image_size: int) -> None:
        self.paths = paths
        self.image_size = image_size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int, /) -> Tensor:
        return read_image(self.paths[index], image_size=self.image_size)


class ImageFolder(Dataset):
    """Images under ``root/{train,test[,val]}/<class>``, or under ``root/<class>``.

    In the second case ``test_fraction`` of the images become the test part. Which ones depends on their content alone,
    not on names or the seed. ``resident=auto`` keeps all pixels in memory if they fit in ``resident_limit_mib`` (MiB)
    and in half of the machine's memory. Otherwise images are decoded at each use. ``skip_corrupt`` leaves damaged
    images out instead of raising an error.
    """

    name = "image_folder"

    def __init__(
        self,
        *,
        root: str,
        image_size: int = 32,
        batch_size: int | str = 128,
        num_workers: int | str = "auto",
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        mean: Triple | None = None,
        std: Triple | None = None,
        augment: Augment | Mapping[str, object] | None = None,
        class_groups: Mapping[str, tuple[str, ...]] | None = None,
        sampling: str = "natural",
        folds: int | None = None,
        fold: int | None = None,
        skip_corrupt: bool = False,
        resident: bool | str = "auto",
        resident_limit_mib: int = 4096,
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
        )
        if not isinstance(root, str | os.PathLike) or not str(root):
            raise InputError(f"data.root={root}: allowed is the path of a folder")
        if resident != "auto" and not isinstance(resident, bool):
            raise InputError(f"data.resident={resident}: allowed is auto, true or false")
        self.root = Path(root).expanduser()
        self.test_fraction = check_fraction("test_fraction", test_fraction)
        self.skip_corrupt = check_bool("skip_corrupt", skip_corrupt)
        self.resident = resident
        self.resident_limit_mib = check_int("resident_limit_mib", resident_limit_mib, minimum=1)

    @cached_property
    def _listing(self) -> FolderListing:
        return list_folder(self.root)

    @cached_property
    def _hashes(self) -> tuple[list[str], str]:
        return hash_files(self.root, self._listing.names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Sorted names of the class folders. Raises ``InputError`` for a folder that ``list_folder`` refuses."""
        return self._listing.class_names

    def check(self) -> None:
        """Raise ``InputError`` for any problem of folders, names and class sizes. Opens no image."""
        super().check()
        check_can_split(self._listing)
        if self.folds is not None:
            labels = torch.tensor(self._listing.labels)
            check_can_fold(labels, num_folds=self.folds[0], class_names=self.class_names)

    def count_images(self) -> tuple[int, ...]:
        """Return the number of files of each class, without those of a folder ``test``. Opens no image."""
        listing = self._listing
        joined = listing.parts is None or self.folds is not None
        kept = [label for i, label in enumerate(listing.labels) if joined or (listing.parts or ())[i] != "test"]
        return tuple(np.bincount(kept, minlength=len(listing.class_names)).tolist())

    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of the names, sizes and content of all images under ``root``."""
        return self._hashes[1]

    def load(self, seed: int, *, cache_dir: Path | None = None) -> ImageData:
        """Return the images in the parts train, val and test.

        Decodes every image once, or reads decoded images from ``cache_dir``. Raises ``InputError`` for damaged images
        unless ``skip_corrupt`` is set, and for a class that has no readable image left in some part.
        """
        self.check()
        listing, keep = self._listing, self._is_resident()
        decoded = decode_files(
            self.root,
            listing.names,
            image_size=self.image_size,
            keep=keep,
            fingerprint=self.fingerprint(),
            cache_dir=cache_dir,
        )
        if not self.skip_corrupt:
            refuse_damaged(self.root, {listing.names[i]: why for i, why in decoded.damaged.items()})
        parts = self._divide(decoded, seed)
        intake = self._inspect(decoded, parts)
        mean, std = self.mean, self.std
        if mean is None or std is None:
            measured = measure_normalization(
                decoded.pixel_sums[parts["train"].numpy()], pixels_per_image=self.image_size**2
            )
            mean, std = mean or measured[0], std or measured[1]
        return ImageData(
            name=self.name,
            class_names=listing.class_names,
            image_size=self.image_size,
            mean=mean,
            std=std,
            class_groups=self.class_groups,
            warnings=(*intake.list_warnings(), *self._describe_folds()),
            **{part: self._make_split(decoded, rows) for part, rows in parts.items()},
        )

    def _is_resident(self) -> bool:
        if isinstance(self.resident, bool):
            return self.resident
        needed = len(self._listing.names) * 3 * self.image_size**2
        return needed <= min(self.resident_limit_mib * 2**20, psutil.virtual_memory().total // 2)

    def _divide(self, decoded: Decoded, seed: int) -> dict[str, Tensor]:
        listing = self._listing
        rows = [i for i in range(len(listing.names)) if i not in decoded.damaged]
        order = order_by_content([self._hashes[0][i] for i in rows], [listing.names[i] for i in rows])
        if self.folds is not None:
            parts = self._divide_folds([rows[i] for i in order.tolist()])
        elif listing.parts is None:
            train, test = self._split(rows, fraction=self.test_fraction, order=order)
            parts = {"train": train, "test": test}
        else:
            parts = {part: [i for i in rows if listing.parts[i] == part] for part in set(listing.parts)}
        self._check_classes_left(parts)
        if "val" not in parts:
            order = order_by_seed(len(parts["train"]), seed, "val")
            parts["train"], parts["val"] = self._split(parts["train"], fraction=self.val_fraction, order=order)
            self._check_classes_left(parts)
        return {part: torch.tensor(rows) for part, rows in parts.items()}

    def _divide_folds(self, rows: list[int]) -> dict[str, list[int]]:
        assert self.folds is not None
        num, fold = self.folds
        labels = torch.tensor([self._listing.labels[i] for i in rows])
        digests = [self._hashes[0][i] for i in rows]
        # Copies of an image are tested together, so that none is trained on and tested.
        groups = digests if len(set(digests)) < len(digests) else None
        folds = assign_folds(labels, num_folds=num, class_names=self.class_names, groups=groups).tolist()
        chosen = {"train": [i for i, one in zip(rows, folds, strict=True) if one != fold]}
        chosen["test"] = [i for i, one in zip(rows, folds, strict=True) if one == fold]
        return {part: sorted(members) for part, members in chosen.items()}

    def _describe_folds(self) -> list[str]:
        parts = sorted(set(self._listing.parts or ()))
        if self.folds is None or not parts:
            return []
        return [f"data.folds={self.folds[0]} divides all images, those in {' and '.join(parts)}: each is tested once"]

    def _split(self, rows: list[int], *, fraction: float, order: Tensor) -> tuple[list[int], list[int]]:
        labels = torch.tensor([self._listing.labels[i] for i in rows])
        first, second = split_stratified(labels, fraction=fraction, order=order)
        return [rows[i] for i in first.tolist()], [rows[i] for i in second.tolist()]

    def _check_classes_left(self, parts: Mapping[str, list[int]]) -> None:
        for part, rows in parts.items():
            present = {self._listing.labels[i] for i in rows}
            for label, name in enumerate(self.class_names):
                if label not in present:
                    raise InputError(
                        f"data.root={self.root}: class {name} has no readable image left for {part}; "
                        "allowed is at least one in every part"
                    )

    def _inspect(self, decoded: Decoded, parts: Mapping[str, Tensor]) -> Intake:
        listing, test = self._listing, set(parts["test"].tolist())
        rows = sorted(i for part in parts.values() for i in part.tolist())
        return inspect_images(
            names=[listing.names[i] for i in rows],
            digests=[self._hashes[0][i] for i in rows],
            class_of=[listing.class_names[listing.labels[i]] for i in rows],
            is_test=[i in test for i in rows],
            damaged={listing.names[i]: why for i, why in decoded.damaged.items()},
        )

    def _make_split(self, decoded: Decoded, rows: Tensor) -> Split:
        labels = torch.from_numpy(np.array(self._listing.labels, np.int64)[rows.numpy()])
        if decoded.images is not None:
            return Split(torch.from_numpy(decoded.images[rows.numpy()]), labels)
        paths = [f"{self.root}/{self._listing.names[i]}" for i in rows.tolist()]
        return Split(FileImages(paths, image_size=self.image_size), labels)
