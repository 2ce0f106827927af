import numpy as np
import pytest
import torch
from random_networks import random_network
from torch import nn

from compression.core.errors import InputError
from compression.runtimes.cpu_features import CpuFeatures, read_cpu_features
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse import sparse_engine, sparse_network
from compression.runtimes.sparse.encoding.encode import encode
from compression.runtimes.sparse.encoding.rows import ROWS_TOGETHER
from compression.runtimes.sparse.lowering import lower
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


def wide_network(channels: int, density: float, stride: int) -> nn.Module:
    """Return two convolutions with so many input channels that sums are added up in blocks."""
    torch.manual_seed(0)
    first = nn.Conv2d(channels, 8, 3, padding=1)
    second = nn.Conv2d(8, channels, 1)
    third = nn.Conv2d(channels, 12, 3, stride=stride, padding=1)
    with torch.no_grad():
        for layer in (first, second, third):
            layer.weight *= torch.rand_like(layer.weight) < density
    return nn.Sequential(first, nn.ReLU(), second, third, nn.ReLU(), nn.Flatten())


@pytest.mark.parametrize("vector", BUILDABLE)
@pytest.mark.parametrize("size", [(5, 5), (7, 7), (9, 9), (7, 10), (13, 13), (3, 11)])
@pytest.mark.parametrize(("density", "stride"), [(1.0, 1), (0.9, 2), (0.5, 1)])
def test_blocks_of_channels_are_added_once_on_maps_of_any_size(
    density: float, stride: int, size: tuple[int, int], vector: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = wide_network(80, density, stride).eval()
    images = torch.randn(2, 80, *size)
    encoded = encode(lower(network, shape=(80, *size)), vector=vector, lanes=1)
    if density == 1.0 and vector > 1:
        assert any(op["together"] == ROWS_TOGETHER and op["size"] > 1 for op in encoded.operations)
    monkeypatch.setattr(sparse_network, "PICOSECONDS_OF_A_PART", 1)
    with torch.inference_mode():
        expected = network(images).numpy()
    for threads in (1, 2):
        predict = SparseRuntime(vector=vector).load(network, threads=threads)
        single = np.concatenate([predict(image[None]) for image in images.numpy()])
        for found in (single, predict(np.repeat(images.numpy(), vector, axis=0))[::vector]):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


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


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, 2, padding=1, dilation=2), (3, 1, 1)),
        (nn.Conv2d(3, 4, 1, stride=2, padding=1), (3, 1, 1)),
        (nn.Conv2d(3, 3, 2, padding=1, dilation=2, groups=3), (3, 8, 1)),
        (nn.MaxPool2d(3, stride=(5, 3), padding=1, dilation=(3, 1), ceil_mode=True), (3, 2, 6)),
    ],
)
def test_a_layer_that_meets_only_padding_is_named(layer: nn.Module, shape: tuple[int, int, int]) -> None:
    predict = SparseRuntime().load(nn.Sequential(layer, nn.Flatten()), threads=1)
    with pytest.raises(InputError, match=r"engine sparse: .* only padding"):
        predict(np.zeros((1, *shape), np.float32))


def test_single_images_and_blocks_are_compared_with_eager_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(sparse_engine, "check_logits", lambda _, images, __: sizes.append(len(images)))
    predict = SparseRuntime().load(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), threads=1)
    for count in (1, 1, 64, 64, 0, 2, 1):
        predict(np.zeros((count, 3, 2, 2), np.float32))
    assert sizes == [1, 64]


def test_loading_leaves_the_model_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4, 2)).train()
    SparseRuntime().load(network, threads=1)(np.zeros((1, 3, 2, 2), np.float32))
    assert network.training
    assert network[1].inplace
