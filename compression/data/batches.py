"""Normalized batches of a split on a device; order and augmentation depend only on seed and epoch."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from compression.core.seeding import make_generator
from compression.data.augment import Augment
from compression.data.base import ImageSource, Split
from compression.data.normalization import normalize
from compression.data.options import PerChannel
from compression.data.sampling import draw_balanced


class Batches:
    """Iterable of (images: float32 ``[B, C, H, W]``, normalized, channels-last; labels: int64 ``[B]``).

    ``set_epoch(e)`` selects the epoch; Lightning calls it through ``sampler``. Every pass over one epoch gives the same
    batches. Images in memory and images streamed from files give equal batches, for any ``num_workers`` (worker
    processes, used only for streaming). A shuffled last batch of a single image is left out, because batch norm cannot
    train on it. With ``balanced``, a shuffled pass has as many images, but every class equally often.

    If ``num_shares`` processes train together, each takes its ``share`` (0 to ``num_shares - 1``) of every batch; the
    shares do not overlap. A shuffled last batch with fewer than two images per process is left out.
    """

    # Lightning reads this attribute of every object that has a `sampler`.
    batch_sampler = None

    def __init__(
        self,
        *,
        split: Split,
        mean: PerChannel,
        std: PerChannel,
        batch_size: int,
        device: torch.device | str,
        augment: Augment | None = None,
        shuffle: bool = False,
        balanced: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        num_shares: int = 1,
        share: int = 0,
    ) -> None:
        assert 0 <= share < num_shares
        assert shuffle or not balanced
        self.device = torch.device(device)
        self.split = split.to(self.device)
        # On the CPU, so that every device draws the same order.
        self._classes = split.labels.cpu() if balanced else None
        self.mean, self.std = mean, std
        self.batch_size = batch_size
        self.augment = augment
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self.num_shares, self.share = num_shares, share
        left_over = len(split) % batch_size
        dropped = shuffle and left_over < 2 * num_shares and len(split) > left_over
        self.num_images = len(split) - left_over if dropped else len(split)
        self._plan = _Plan()
        self._loader: DataLoader[Tensor] | None = None
        if not isinstance(self.split.images, Tensor):
            self._loader = _make_loader(self.split.images, self._plan, num_workers, self.device)

    @property
    def sampler(self) -> "Batches":
        """The object whose ``set_epoch`` Lightning calls."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch for all passes that start from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        # As this is a generator function, the epoch is read at the first batch. Lightning creates the first iterator
        # before it calls set_epoch.
        parts = (self.share,) if self.share else ()
        noise = make_generator(self.seed, "augment", self.epoch, *parts, device=self.device)
        chunks = tuple(batch[self.share :: self.num_shares] for batch in self._draw_order().split(self.batch_size))
        for indices, images in zip(chunks, self._fetch(chunks), strict=True):
            images = images.to(self.device, non_blocking=True)
            if self.augment is not None:
                images = self.augment(images, noise)
            labels = self.split.labels.index_select(0, indices.to(self.device, non_blocking=True))
            yield normalize(images, mean=self.mean, std=self.std), labels

    def _draw_order(self) -> Tensor:
        order = torch.arange(len(self.split))
        if self.shuffle:
            generator = make_generator(self.seed, "order", self.epoch)
            if self._classes is None:
                order = torch.randperm(len(self.split), generator=generator)
            else:
                order = draw_balanced(self._classes, generator=generator)
        images = self.split.images
        return order[: self.num_images].to(images.device if isinstance(images, Tensor) else "cpu")

    def _fetch(self, chunks: tuple[Tensor, ...]) -> Iterable[Tensor]:
        if self._loader is None:
            images = self.split.images
            assert isinstance(images, Tensor)
            return (images.index_select(0, indices) for indices in chunks)
        self._plan.chunks = [indices.tolist() for indices in chunks]
        return self._loader


class _Plan:
    """Index lists of the next pass; a DataLoader reads them when the pass begins."""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.chunks)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.chunks)


class _Stack(Dataset[Tensor]):
    """Data set of complete batches, uint8 ``[B, C, H, W]``, so that a worker sends one tensor per batch."""

    def __init__(self, images: ImageSource) -> None:
        self.images = images

    def __getitem__(self, indices: list[int]) -> Tensor:
        return torch.stack([self.images[index] for index in indices])


def _make_loader(images: ImageSource, plan: _Plan, num_workers: int, device: torch.device) -> DataLoader[Tensor]:
    return DataLoader(
        _Stack(images),
        sampler=plan,
        batch_size=None,
        num_workers=num_workers,
        pin_memory=device.type == "cuda",
        persistent_workers=num_workers > 0,
        # A separate generator, so that streaming does not draw from the global one, which dropout uses.
        generator=torch.Generator(),
    )
