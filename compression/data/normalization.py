"""Input normalization: exact mean and standard deviation per channel, and their application in one pass."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from compression.data.options import Triple

# A constant channel has a standard deviation of 0, by which one cannot divide. One grey level is the lower limit.
MIN_STD = 1 / 255
# A normalization that leaves pixels on the 0..1 scale.
UNCHANGED_MEAN: Triple = (0.0, 0.0, 0.0)
UNCHANGED_STD: Triple = (1.0, 1.0, 1.0)


def sum_pixels(images: np.ndarray) -> np.ndarray:
    """Return the sums of x and of x^2 over the pixels of each image and channel, int64 ``[N, 3, 2]``.

    ``images`` are uint8 ``[N, 3, H, W]``. Integer sums are exact, so the order of addition does not matter.
    """
    squares = np.square(images, dtype=np.uint16)
    sums = [values.sum(axis=(2, 3), dtype=np.int64) for values in (images, squares)]
    return np.stack(sums, axis=-1)


def measure_normalization(pixel_sums: np.ndarray, *, pixels_per_image: int) -> tuple[Triple, Triple]:
    """Return (mean, std) per channel on the 0..1 scale. The std is that of the population, at least 1/255.

    ``pixel_sums`` are int64 ``[N, 3, 2]`` from ``sum_pixels``, with N >= 1.
    """
    count = len(pixel_sums) * pixels_per_image
    first, second = pixel_sums.sum(axis=0, dtype=np.int64).astype(np.float64).T / count
    std = np.maximum(np.sqrt(np.maximum(second - first**2, 0.0)) / 255, MIN_STD)
    return _as_triple(first / 255), _as_triple(std)


def _as_triple(values: np.ndarray) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def normalize(images: Tensor, *, mean: Triple, std: Triple) -> Tensor:
    """Return ``(x - mean) / std`` of the pixels x on the 0..1 scale, float32 ``[B, 3, H, W]`` in channels-last memory.

    ``images: [B, 3, H, W]`` are uint8 on the 0..255 scale, or float32 on the 0..1 scale.
    """
    levels = 1.0 if images.is_floating_point() else 255.0
    shift, scale = _make_constants(mean, std, levels, images.device)
    return torch.addcmul(shift, images.to(torch.float32, memory_format=torch.channels_last), scale)


@lru_cache(maxsize=16)
def _make_constants(mean: Triple, std: Triple, levels: float, device: torch.device) -> tuple[Tensor, Tensor]:
    # Cached, because a copy from the host at each batch would make a GPU wait.
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
    scale = torch.tensor([1 / (levels * s) for s in std], device=device)
    return shift.view(1, 3, 1, 1), scale.view(1, 3, 1, 1)
