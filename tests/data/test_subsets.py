import numpy as np
import torch

from compression.data.base import Split
from compression.data.subsets import read_pixels, take, take_spread


class Streamed:
    """Images that are made on demand: all pixels of image i are i."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.full((3, 2, 2), index, dtype=torch.uint8)


def splits():
    labels = torch.arange(10) % 3
    return [Split(images, labels) for images in (torch.stack([Streamed()[i] for i in range(10)]), Streamed())]


def values(split):
    return [int(split.images[index][0, 0, 0]) for index in range(len(split))]


def test_chosen_images_in_memory_or_streamed():
    for split in splits():
        part = take(split, [7, 2])
        assert values(part) == [7, 2]
        assert part.labels.tolist() == [1, 2]
        assert part.resident == split.resident


def test_images_are_spread_evenly():
    for split in splits():
        assert values(take_spread(split, 5)) == [0, 2, 4, 6, 8]
        assert values(take_spread(split, 3)) == [0, 3, 6]
        assert take_spread(split, 10) is split
        assert take_spread(split, 11) is split


def test_pixels_for_pictures():
    for split in splits():
        found = read_pixels(split, [3, 9])
        assert (found.shape, found.dtype) == ((2, 2, 2, 3), np.uint8)
        assert found[:, 0, 0, 0].tolist() == [3, 9]
        assert read_pixels(split, []).shape[0] == 0
