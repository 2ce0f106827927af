"""Input normalization: exact mean and standard deviation per channel, and their application in one pass."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from compression.data.options import PerChannel

# A constant channel has a standard deviation of 0, by which one cannot divide. One grey level is the lower limit.
MIN_STD = 1 / 255
# A normalization that leaves pixels on the 0..1 scale. One number serves any number of channels.
UNCHANGED_MEAN: PerChannel = (0.0,)
UNCHANGED_STD: PerChannel = (1.0,)


def sum_pixels(images: np.ndarray) -> np.ndarray:
    """Return the sums of x and of x^2 over the pixels of each image and channel, int64 ``[N, C, 2]``.

    ``images`` are uint8 ``[N, C, H, W]``. Integer sums are exact, so the order of addition does not matter.
    """
    squares = np.square(images, dtype=np.uint16)
    sums = [values.sum(axis=(2, 3), dtype=np.int64) for values in (images, squares)]
    return np.stack(sums, axis=-1)


def measure_normalization(pixel_sums: np.ndarray, *, pixels_per_image: int) -> tuple[PerChannel, PerChannel]:
    """Return (mean, std) per channel on the 0..1 scale. The std is that of the population, at least 1/255.

    ``pixel_sums`` are int64 ``[N, C, 2]`` from ``sum_pixels``, with N >= 1.
    """
    count = len(pixel_sums) * pixels_per_image
    first, second = pixel_sums.sum(axis=0, dtype=np.int64).astype(np.float64).T / count
    std = np.maximum(np.sqrt(np.maximum(second - first**2, 0.0)) / 255, MIN_STD)
    return _as_floats(first / 255), _as_floats(std)


def _as_floats(values: np.ndarray) -> PerChannel:
    return tuple(float(value) for value in values)


def normalize(images: Tensor, *, mean: PerChannel, std: PerChannel) -> Tensor:
    """Return ``(x - mean) / std`` of the pixels x on the 0..1 scale, float32 ``[B, C, H, W]`` in channels-last memory.

    ``images: [B, C, H, W]`` are uint8 on the 0..255 scale, or float32 on the 0..1 scale.
    """
    levels = 1.0 if images.is_floating_point() else 255.0
    shift, scale = _make_constants(mean, std, levels, images.device)
    return torch.addcmul(shift, images.to(torch.float32, memory_format=torch.channels_last), scale)


def on_pixels(model: Callable[[Tensor], Tensor], *, mean: PerChannel, std: PerChannel) -> Callable[[Tensor], Tensor]:
    """Return ``model``, a function of normalized images, as a function of pixels as ``normalize`` takes them."""
    return lambda pixels: model(normalize(pixels, mean=mean, std=std))


@lru_cache(maxsize=16)
def _make_constants(mean: PerChannel, std: PerChannel, levels: float, device: torch.device) -> tuple[Tensor, Tensor]:
    # Cached, because a copy from the host at each batch would make a GPU wait.
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    scale = torch.tensor([1 / (levels * s) for s in std], device=device)
    return shift.view(1, -1, 1, 1), scale.view(1, -1, 1, 1)
