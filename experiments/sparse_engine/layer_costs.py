"""Picoseconds of one non-zero weight in the sparse engine by the size of its layer's output, beside the cost model.

    python experiments/sparse_engine/layer_costs.py

Each row is a convolution of random weights at two densities. The cost is the difference of their times over the
difference of their non-zero weights, from the fastest of 15 rounds of CPU time. So it leaves out what does not
depend on weights.
"""

import time

import numpy as np
import torch
from torch import nn

from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse.cost_model import weight_picoseconds
from compression.runtimes.sparse.sparse_engine import SparseRuntime

SIZES = {1: 256, 2: 256, 3: 256, 4: 256, 7: 256, 8: 256, 14: 128, 16: 128, 32: 64}
DENSITIES, ROUNDS = (0.05, 0.2), 15


def measure(size: int, channels: int, kernel: int, vector: int) -> float:
    """Return the measured picoseconds of one non-zero weight."""
    weights, seconds = [], []
    for density in DENSITIES:
        layer = nn.Conv2d(channels, channels, kernel, padding=kernel // 2)
        with torch.no_grad():
            layer.weight *= torch.rand_like(layer.weight) < density
        model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        predict = SparseRuntime(vector=vector).load(model, threads=1)
        image = np.random.default_rng(0).standard_normal((1, channels, size, size), dtype=np.float32)
        predict(image)
        weights.append(int(layer.weight.count_nonzero()))
        calls = max(1, round(2e-3 / (weights[-1] * size * size / 4e10 + 2e-5)))
        seconds.append(min(_time(predict, image, calls) for _ in range(ROUNDS)))
    return 1e12 * (seconds[1] - seconds[0]) / (weights[1] - weights[0])


def _time(predict: Predictor, image: np.ndarray, calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        predict(image)
    return (time.process_time() - start) / calls


def main() -> None:
    """Print a table."""
    torch.manual_seed(0)
    print("| output pixels | kernel | model, ps | measured with 8 floats, ps | with 16 floats, ps |")
    print("|---:|---:|---:|---:|---:|")
    for size, channels in SIZES.items():
        # On a single pixel, only the centre of a 3x3 kernel meets the map.
        for kernel in (1, 3) if size > 1 else (1,):
            found = [measure(size, channels, kernel, vector) for vector in (8, 16)]
            model = weight_picoseconds(nn.Conv2d(channels, channels, kernel), size * size)
            print(f"| {size * size} | {kernel}x{kernel} | {model:,} | {found[0]:,.0f} | {found[1]:,.0f} |")


if __name__ == "__main__":
    main()
