"""How the images of a folder become train, val and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.data.folds import assign_folds, check_can_fold
from compression.data.grouped_splits import split_grouped, unite_groups
from compression.data.listing import FolderListing, check_can_split
from compression.data.splits import order_by_content, order_by_seed, split_stratified


@dataclass(frozen=True)
class Division:
    """The rule that divides the rows of ``listing``.

    ``groups`` has a key for each row; rows of one key stay together. ``folds`` is (number of folds, fold to test).
    """

    listing: FolderListing
    val_fraction: float
    test_fraction: float
    groups: Sequence[str] | None = None
    folds: tuple[int, int] | None = None

    def check(self) -> None:
        """Raise ``InputError`` for a class with too few images for its parts or folds. Opens no image."""
        check_can_split(self.listing, groups=self.groups)
        if self.folds is not None:
            labels = torch.tensor(self.listing.labels)
            check_can_fold(labels, num_folds=self.folds[0], class_names=self.listing.class_names, groups=self.groups)

    def divide(self, rows: Sequence[int], *, digests: Sequence[str], seed: int) -> dict[str, Tensor]:
        """Return the rows of each part, int64 ``[M]``.

        ``digests`` are hashes of content, one for each row of the listing; they decide the test part and the folds.
        ``seed`` decides the val part. Raises ``InputError`` for a class that has no image in some part.
        """
        listing = self.listing
        order = order_by_content([digests[i] for i in rows], [listing.names[i] for i in rows])
        if self.folds is not None:
            parts = self._take_fold([rows[i] for i in order.tolist()], digests)
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
        return {part: torch.tensor(members) for part, members in parts.items()}

    def describe_folds(self) -> list[str]:
        """Return a line that folds also divide the test part of the folder, if they do."""
        parts = sorted(set(self.listing.parts or ()))
        if self.folds is None or not parts:
            return []
        return [f"data.folds={self.folds[0]} divides all images, those in {' and '.join(parts)}: each is tested once"]

    def _take_fold(self, rows: Sequence[int], digests: Sequence[str]) -> dict[str, list[int]]:
        assert self.folds is not None
        num, fold = self.folds
        labels = torch.tensor([self.listing.labels[i] for i in rows])
        # Copies of an image are tested together, so that none is trained on and tested.
        groups: list[str] | None = [digests[i] for i in rows]
        if self.groups is not None:
            groups = unite_groups([self.groups[i] for i in rows], [digests[i] for i in rows])
        elif len(set(groups or ())) == len(rows):
            groups = None
        folds = assign_folds(labels, num_folds=num, class_names=self.listing.class_names, groups=groups).tolist()
        chosen = {"train": [i for i, one in zip(rows, folds, strict=True) if one != fold]}
        chosen["test"] = [i for i, one in zip(rows, folds, strict=True) if one == fold]
        return {part: sorted(members) for part, members in chosen.items()}

    def _split(self, rows: Sequence[int], *, fraction: float, order: Tensor) -> tuple[list[int], list[int]]:
        labels = torch.tensor([self.listing.labels[i] for i in rows])
        if self.groups is None:
            first, second = split_stratified(labels, fraction=fraction, order=order)
        else:
            groups = [self.groups[i] for i in rows]
            first, second = split_grouped(labels, groups=groups, fraction=fraction, order=order)
        return [rows[i] for i in first.tolist()], [rows[i] for i in second.tolist()]

    def _check_classes_left(self, parts: Mapping[str, Sequence[int]]) -> None:
        all_read = sum(map(len, parts.values())) == len(self.listing.labels)
        kind = "image" if all_read else "readable image"
        for part, rows in parts.items():
            present = {self.listing.labels[i] for i in rows}
            for label, name in enumerate(self.listing.class_names):
                if label not in present:
                    raise InputError(
                        f"data.root={self.listing.root}: class {name} has no {kind} left for {part}; "
                        "allowed is at least one in every part"
                    )
