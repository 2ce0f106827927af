import numpy as np
import pytest
import torch
from random_networks import random_network
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.cpu_features import CpuFeatures, read_cpu_features
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse import sparse_network
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


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_one_image_by_several_threads_gives_the_same_bits(
    seed: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparse_network, "PICOSECONDS_OF_A_PART", 1)
    network, images = random_network(seed)
    alone, together = (SparseRuntime().load(network, threads=threads) for threads in (1, parts))
    for image in images.numpy():
        expected = alone(image[None])
        for _ in range(3):
            np.testing.assert_array_equal(together(image[None]), expected)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_many_random_networks_agree_with_eager(seed: int) -> None:
    network, images = random_network(seed)
    for vector in BUILDABLE:
        assert_agrees(SparseRuntime(vector=vector).load(network, threads=1), network, images)


def test_the_vector_is_the_widest_of_the_processor() -> None:
    def vector(**features: bool) -> int:
        return choose_vector(CpuFeatures(name=None, architecture="x86_64", **features))

    assert [vector(avx2=True, avx512=True), vector(avx2=True, avx512=False), vector()] == [16, 8, 4]


def test_an_unsupported_layer_is_named_when_the_file_is_loaded() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))
    with pytest.raises(InputError, match=r"engine sparse: GroupNorm \(layer _1\) is not supported; use another engine"):
        SparseRuntime().load(network, threads=1)


def test_images_that_do_not_fit_are_named() -> None:
    predict = SparseRuntime().load(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), threads=1)
    with pytest.raises(InputError, match=r"images of shape \[3, 5, 5\] do not fit the network"):
        predict(np.zeros((1, 3, 5, 5), np.float32))
    with pytest.raises(InputError, match=r"images of shape \[3, 2, 2\]: must be \[B, C, H, W\]"):
        predict(np.zeros((3, 2, 2), np.float32))


def test_loading_leaves_the_model_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4, 2)).train()
    SparseRuntime().load(network, threads=1)(np.zeros((1, 3, 2, 2), np.float32))
    assert network.training
    assert network[1].inplace
