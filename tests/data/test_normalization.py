import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from compression.data.normalization import measure_normalization, normalize, on_pixels, sum_pixels


def test_mean_and_std_of_known_pixels():
    images = np.zeros((2, 3, 1, 2), np.uint8)
    images[:, 0] = 255
    images[0, 1] = [[0, 255]]
    images[1, 2] = 51
    sums = sum_pixels(images)
    assert sums[0, 1].tolist() == [255, 255**2]
    mean, std = measure_normalization(sums, pixels_per_image=2)
    assert mean == pytest.approx((1.0, 0.25, 0.1))
    assert std == pytest.approx((1 / 255, 3**0.5 / 4, 0.1))


def test_mean_and_std_are_those_of_numpy_and_do_not_depend_on_grouping():
    images = np.random.default_rng(0).integers(0, 256, (37, 3, 9, 9), dtype=np.uint8)
    whole = sum_pixels(images)
    pieces = np.concatenate([sum_pixels(images[:5]), sum_pixels(images[5:])])
    assert np.array_equal(whole, pieces)
    mean, std = measure_normalization(whole, pixels_per_image=81)
    assert mean == pytest.approx((images / 255).mean(axis=(0, 2, 3)), abs=1e-12)
    assert std == pytest.approx((images / 255).std(axis=(0, 2, 3)), abs=1e-12)


def test_normalize_equals_torchvision_from_bytes_and_from_floats():
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)
    expected = functional.normalize(images / 255, list(mean), list(std))
    for given in (images, images / 255):
        result = normalize(given, mean=mean, std=std)
        assert result.dtype == torch.float32
        assert result.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(result, expected, rtol=0, atol=2e-6)


def test_a_model_of_normalized_images_runs_on_pixels():
    pixels = torch.full((1, 3, 1, 1), 0.5)
    model = on_pixels(lambda images: images.flatten(1), mean=(0.5, 0.25, 0.0), std=(1.0, 0.25, 2.0))
    assert model(pixels).tolist() == [[0.0, 1.0, 0.25]]
