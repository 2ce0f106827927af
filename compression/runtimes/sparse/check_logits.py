"""The first images of each shape, computed by PyTorch as well, so that no network runs with another meaning."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compression.core.adapted_network import find_logits
from compression.core.errors import InputError

# The largest difference of logits, as a fraction of the largest one. Sums in another order differ by 1e-5, and by 1e-3
# where logits are much smaller than the maps before them; an operation with another meaning differs by a tenth.
TOLERANCE = 0.01
# Smaller differences are rounding, also where the terms of all logits cancel.
SMALLEST = 1e-6


def check_logits(network: nn.Module, images: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
    """Raise InputError if ``logits: [B, classes]`` are not those of ``network`` for the first of ``images``.

    The network may overwrite its input, and reads a copy.
    """
    with torch.inference_mode():
        expected = find_logits(network(torch.from_numpy(images[:1].copy()))).numpy()
    difference, largest = np.abs(logits[:1] - expected).max(), np.abs(expected).max()
    # Logits that are no numbers are the network's own.
    if np.isfinite(largest) and not difference <= max(TOLERANCE * largest, SMALLEST):
        raise InputError(
            f"engine sparse: logits differ from PyTorch's by {difference:.2g} (the largest is {largest:.2g}), so an "
            "operation of this network has no correct kernel; use another engine, and please report it"
        )
