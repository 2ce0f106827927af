import numpy as np
import pytest
import torch
from random_networks import random_network
from torch import nn

from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse.sparse_engine import VECTORS, SparseRuntime, choose_vector

BUILDABLE = [vector for vector in VECTORS if vector <= choose_vector(read_cpu_features())]


def assert_agrees(predict: Predictor, network: nn.Module, images: torch.Tensor) -> None:
    """Compare with float64, batch and single, and twice: values left in memory by the first call must not matter."""
    with torch.inference_mode():
        exact = network.double()(images.double()).numpy()
        eager = network.float()(images).numpy()
    largest = np.abs(exact).max()
    assert np.abs(exact[0] - exact[1]).max() > 1e-3 * largest, "the signal died between random layers"
    # The error of float32 itself, which is larger for networks that cancel much.
    allowed = max(1e-5, 3 * np.abs(eager - exact).max() / largest)
    for order in (slice(None), slice(None, None, -1)):
        batch = predict(images.numpy()[order])
        single = np.concatenate([predict(image[None]) for image in images.numpy()[order]])
        for found in (batch, single):
            assert np.abs(found - exact[order]).max() / largest < allowed


@pytest.mark.parametrize("vector", BUILDABLE)
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_agree_with_eager(seed: int, vector: int) -> None:
    network, images = random_network(seed)
    assert_agrees(SparseRuntime(vector=vector).load(network, threads=1), network, images)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_many_random_networks_agree_with_eager(seed: int) -> None:
    network, images = random_network(seed)
    for vector in BUILDABLE:
        assert_agrees(SparseRuntime(vector=vector).load(network, threads=1), network, images)
