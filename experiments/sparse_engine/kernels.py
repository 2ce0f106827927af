"""The two kernels for convolutions side by side, and which one the rule takes.

    python experiments/sparse_engine/kernels.py

Layers of random weights at four densities, one image, one thread. Both kernels take turns within a round. Writes
kernels.json: the time of rows one by one over the time of four rows with one list of offsets, as the median and the
10th and 90th percentile over rounds.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from compression.reporting.provenance import describe_machine
from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.sparse.compiler import load_kernels
from compression.runtimes.sparse.encoding import rows
from compression.runtimes.sparse.encoding.encode import Encoded, encode
from compression.runtimes.sparse.encoding.structures import CONVOLUTION
from compression.runtimes.sparse.lowering import lower
from compression.runtimes.sparse.sparse_engine import choose_vector
from compression.runtimes.sparse.sparse_network import _Single

# Input channels, output channels, kernel, size of the map: as in MobileNetV2, ResNet-18 and VGG-11.
LAYERS = (
    (64, 64, 3, 32),
    (128, 128, 3, 16),
    (256, 256, 3, 8),
    (512, 512, 3, 4),
    (24, 144, 1, 32),
    (96, 24, 1, 16),
    (64, 384, 1, 8),
    (160, 960, 1, 4),
    (320, 1280, 1, 2),
)
DENSITIES = (1.0, 0.9, 0.75, 0.5)
ROUNDS, SECONDS_OF_A_TURN = 15, 2e-3


def encode_both(program: Any, vector: int) -> tuple[dict[str, Encoded], str]:
    """Return the tables of both kernels by name, and the name of the one that the rule takes."""
    given = rows.GAIN, rows.GAIN_OF_FEW_VECTORS, rows.LEAST_SHARE
    chosen = encode(program, vector=vector, lanes=1)
    rows.GAIN = rows.GAIN_OF_FEW_VECTORS = float("inf")
    rows.LEAST_SHARE = 0.0
    joined = encode(program, vector=vector, lanes=1)
    rows.GAIN, rows.GAIN_OF_FEW_VECTORS, rows.LEAST_SHARE = given
    single = encode(program, vector=vector, lanes=1, dense_rows=False)
    [first, *_] = chosen.operations[chosen.operations["kind"] == CONVOLUTION]
    return {"single": single, "joined": joined}, "single" if first["together"] == 1 else "joined"


def measure_layer(shape: tuple[int, int, int, int], density: float) -> dict[str, Any]:
    """Return the ratio of both kernels on one layer."""
    inputs, outputs, kernel, size = shape
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    with torch.no_grad():
        layer.weight *= torch.rand_like(layer.weight) < density
    model = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    features = read_cpu_features()
    vector = choose_vector(features)
    kernels = load_kernels(vector, is_x86=features.is_x86)
    both, rule = encode_both(lower(model, shape=(inputs, size, size)), vector)
    image = np.random.default_rng(0).standard_normal((1, inputs, size, size), dtype=np.float32)
    bound = {name: _Single(kernels, encoded) for name, encoded in both.items()}
    logits = {name: np.zeros((1, outputs), np.float32) for name in bound}
    for name, one in bound.items():
        one.run(image, logits[name])
    np.testing.assert_allclose(logits["single"], logits["joined"], rtol=1e-3, atol=1e-5)
    calls = max(1, round(SECONDS_OF_A_TURN / _seconds(bound["single"], image, logits["single"], 3)))
    ratios = []
    for _ in range(ROUNDS):
        turn = {name: _seconds(one, image, logits[name], calls) for name, one in bound.items()}
        ratios.append(turn["single"] / turn["joined"])
    low, median, high = np.percentile(ratios, [10, 50, 90])
    return {
        "layer": f"{inputs} to {outputs}, {kernel}x{kernel}, {size}x{size} pixels",
        "density": density,
        "rule": rule,
        "ratio": {"median": median, "p10": low, "p90": high},
    }


def _seconds(bound: _Single, image: np.ndarray, logits: np.ndarray, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        bound.run(image, logits)
    return (time.perf_counter() - start) / calls


def measure() -> Iterator[dict[str, Any]]:
    """Yield a row for each layer and density."""
    for shape in LAYERS:
        for density in DENSITIES:
            row = measure_layer(shape, density)
            print(row, flush=True)
            yield row


def main() -> None:
    """Measure all layers and write the record."""
    torch.manual_seed(0)
    record = {"machine": describe_machine(), "vector": choose_vector(read_cpu_features()), "rows": list(measure())}
    Path(__file__).with_name("kernels.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
