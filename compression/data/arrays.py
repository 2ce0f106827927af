"""Data sets that are stored as arrays: hashing, resizing and conversion to ``ImageData``."""

import hashlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from compression.data.base import Dataset, ImageData, Split
from compression.data.folds import assign_folds
from compression.data.normalization import measure_normalization, sum_pixels
from compression.data.splits import order_by_seed, split_stratified


def hash_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256, in hex, over names, dtypes, shapes and content of ``arrays``."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def resize_images(images: Tensor, *, size: int, chunk: int = 1024) -> Tensor:
    """Return uint8 ``images: [N, C, H, W]`` resized to ``[N, C, size, size]``, bilinear and antialiased.

    Works on ``chunk`` images at a time to limit memory. Returns ``images`` itself if the size is right already.
    """
    if tuple(images.shape[-2:]) == (size, size):
        return images
    parts = [functional.resize(part, [size, size], antialias=True) for part in images.split(chunk)]
    return torch.cat(parts)


def to_grey(images: Tensor, *, chunk: int = 1024) -> Tensor:
    """Return uint8 ``images: [N, 3, H, W]`` as grey ``[N, 1, H, W]``, with the luma and the rounding of Pillow.

    ``(19595 R + 38470 G + 7471 B + 32768) / 65536``, rounded down. Works on ``chunk`` images at a time.
    """
    weights = torch.tensor([19595, 38470, 7471], dtype=torch.int32).view(1, 3, 1, 1)
    parts = [(part * weights).sum(1, keepdim=True, dtype=torch.int32) for part in images.split(chunk)]
    return torch.cat([((part + 32768) >> 16).to(torch.uint8) for part in parts])


def assemble(dataset: Dataset, *, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], seed: int) -> ImageData:
    """Return ``ImageData`` of the arrays, with the options of ``dataset``.

    ``train`` and ``test`` are (images: uint8 ``[N, 3, H, W]``, labels: int64 ``[N]``); with ``dataset.channels`` 1 the
    images become grey. Holds out a validation part of the training images by ``seed``, resizes all images, and measures
    mean and std unless ``dataset`` gives them. With folds, one of them is the test part, and all other images are for
    training.
    """
    if dataset.folds is not None:
        train, test = _divide_folds(dataset, torch.cat([train[0], test[0]]), torch.cat([train[1], test[1]]))
    if dataset.channels == 1:
        train, test = ((to_grey(images), labels) for images, labels in (train, test))
    images, labels = train
    order = order_by_seed(len(labels), seed, "val")
    rest, val = split_stratified(labels, fraction=dataset.val_fraction, order=order)
    size = dataset.image_size
    parts = [
        Split(resize_images(part, size=size), part_labels)
        for part, part_labels in (
            (images[rest], labels[rest]),
            (images[val], labels[val]),
            test,
        )
    ]
    mean, std = dataset.mean, dataset.std
    if mean is None or std is None:
        kept = parts[0].images
        assert isinstance(kept, Tensor)
        measured = measure_normalization(sum_pixels(kept.numpy()), pixels_per_image=size * size)
        mean, std = mean or measured[0], std or measured[1]
    return ImageData(
        name=dataset.name,
        class_names=dataset.class_names,
        image_size=size,
        mean=mean,
        std=std,
        train=parts[0],
        val=parts[1],
        test=parts[2],
        class_groups=dataset.class_groups,
    )


def _divide_folds(
    dataset: Dataset, images: Tensor, labels: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    assert dataset.folds is not None
    num, fold = dataset.folds
    is_test = assign_folds(labels, num_folds=num, class_names=dataset.class_names) == fold
    return (images[~is_test], labels[~is_test]), (images[is_test], labels[is_test])
