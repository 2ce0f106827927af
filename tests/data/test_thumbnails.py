import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from compression.data.thumbnails import make_thumbnails


def test_cells_are_means_over_pixels_and_channels():
    images = np.zeros((1, 3, 32, 32), np.uint8)
    images[0, 0, :2, :2] = [[0, 30], [60, 90]]
    images[0, 1, 0, 2] = 120
    thumbnail = make_thumbnails(images)[0]
    assert thumbnail[0, :3].tolist() == [15, 10, 0]
    assert thumbnail.sum() == 25


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 48, 96])
def test_cells_are_those_of_average_pooling(channels, size):
    images = np.random.default_rng(0).integers(0, 256, (3, channels, size, size), dtype=np.uint8)
    pooled = adaptive_avg_pool2d(torch.from_numpy(images).double().mean(1), 16).numpy()
    assert np.abs(make_thumbnails(images) - pooled).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [8, 17, 20, 33])
def test_any_size_gives_16_cells(size):
    images = np.full((2, 3, size, size), 77, np.uint8)
    assert make_thumbnails(images).shape == (2, 16, 16)
    assert np.unique(make_thumbnails(images)).tolist() == [77]
