"""Quantized networks in the sparse engine: the integers are those of the integer network."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from integer_nets import plan_of, rounding, to_integers, wide_layer
from residual_net import Residual, randomize_
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.quantization.network.fake_network import make_plan
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.sparse.handlers.integers import EXACT, split_sums
from compression.runtimes.sparse.lowering import lower
from compression.runtimes.sparse.program import Convolution, Rescale
from compression.runtimes.sparse.sparse_engine import VECTORS, SparseRuntime, choose_vector

BUILDABLE = [vector for vector in VECTORS if vector <= choose_vector(read_cpu_features())]


class Branches(nn.Module):
    """A network that moves integers: it cuts, pools and concatenates them, and gates channels by a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.left, self.right = nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 1)
        self.gate, self.head = nn.Conv2d(16, 16, 1), nn.Linear(16 * 10 * 10, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        first, second = torch.relu(self.norm(self.stem(images))).chunk(2, 1)
        both = torch.cat((self.left(first), F.max_pool2d(self.right(second), 2)), 1)
        gate = torch.sigmoid(self.gate(F.adaptive_avg_pool2d(both, 1)))
        return self.head(torch.flatten(both * gate, 1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual,
    "branches": Branches,
    "mobilenet_v2": lambda: mobilenet_v2(num_classes=4, width_mult=0.25),
    "resnet18": lambda: resnet18(num_classes=4, width_mult=0.125),
}


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(11, 3, 20, 20, generator=torch.Generator().manual_seed(3))


def pruned(name: str, images: Tensor) -> nn.Module:
    """Return a network with 60 % zeros, whose batch norms keep the signal of ``images`` alive."""
    torch.manual_seed(1)
    model = NETWORKS[name]()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.6)
                if parameter.ndim == 2:
                    parameter.mul_(20)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None
        model.train()
        model(images)
    return model.eval()


def assert_equal(network: nn.Module, images: Tensor, *, vector: int, tolerance: float = 0.0) -> None:
    """Compare batches and single images, twice: values left in memory by the first call must not matter."""
    with torch.no_grad():
        wanted = network(images).numpy()
    assert np.ptp(wanted, axis=0).max() > 1e-2 * np.abs(wanted).max(), "the logits do not depend on the images"
    predict = SparseRuntime(vector=vector).load(network, threads=1)
    for order in (slice(None), slice(None, None, -1)):
        some = images.numpy()[order]
        for found in (predict(some), np.concatenate([predict(image[None]) for image in some])):
            assert np.abs(found - wanted[order]).max() <= tolerance * np.abs(wanted).max()
            assert (found.argmax(axis=1) == wanted[order].argmax(axis=1)).all()


@pytest.mark.parametrize("vector", BUILDABLE)
@pytest.mark.parametrize("bits", [8, 6, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_integer_network(name: str, bits: int, vector: int, images: Tensor) -> None:
    model = pruned(name, images)
    plan = plan_of(model, bits, bits)
    assert_equal(to_integers(model, rounding(model, plan, [(images, None)]), plan), images, vector=vector)


@pytest.mark.parametrize("name", NETWORKS)
def test_weight_only_networks_agree(name: str, images: Tensor) -> None:
    model = pruned(name, images)
    plan = plan_of(model, 4, 32)
    made = quantized(model, plan, Calibration(MinMax, None, 0), [(images, None)])
    assert_equal(to_integers(model, made.network, plan), images, vector=BUILDABLE[0], tolerance=1e-5)


def test_layers_with_different_bits(images: Tensor) -> None:
    model = randomize_(Residual())
    layers = {"stem.0": Bits(8, 8), "depthwise": Bits(4, 8), "head": Bits(3, 6)}
    plan = make_plan(model, layers, activation_bits=8)
    assert_equal(to_integers(model, rounding(model, plan, [(images, None)]), plan), images, vector=BUILDABLE[0])


def exact_sums(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the integer network's sums in double precision, and the logits that follow from them."""
    layer = network.get_submodule("1")
    integers = torch.round(images.relu() * 256).clamp(0, 255).double()
    sums = layer.product(integers, layer.weight.double(), layer.bias.double()).flatten(1)  # type: ignore[operator, union-attr]
    return sums, sums.float() * 2.0**-16


@pytest.mark.parametrize("vector", BUILDABLE)
@pytest.mark.parametrize(
    ("layer", "shape", "bias"),
    [
        (nn.Conv2d(96, 3, 3), (96, 5, 5), 5),
        (nn.Conv2d(192, 4, 3, groups=2, padding=1), (192, 4, 4), -7),
        (nn.Conv2d(2, 2, 1, groups=2), (2, 4, 4), (1 << 24) + 1),
        (nn.Conv2d(1600, 3, 1), (1600, 1, 1), 3),
    ],
)
def test_sums_beyond_float32_are_exact(layer: nn.Module, shape: tuple[int, int, int], bias: int, vector: int) -> None:
    network = wide_layer(layer, bias=bias)
    images = 0.9 + torch.rand(9, *shape, generator=torch.Generator().manual_seed(5)) / 10
    sums, wanted = exact_sums(network, images)
    assert sums.abs().max() > EXACT
    [rescale] = [op for op in lower(network, shape=shape).operations if isinstance(op, Rescale)]
    assert rescale.bias is not None
    predict = SparseRuntime(vector=vector).load(network, threads=1)
    for found in (predict(images.numpy()), np.concatenate([predict(image[None]) for image in images.numpy()])):
        assert np.array_equal(found, wanted.numpy())
    assert np.ptp(wanted.numpy(), axis=0).max() > 0


def test_sums_are_split_below_the_bound() -> None:
    weight = np.full((2, 3000), 127.0)
    weight[1] = -1
    parts = split_sums(weight, largest=255)
    assert parts.shape == (2, 6, 3000)
    assert np.array_equal(parts.sum(axis=1), weight)
    assert (np.abs(parts) * 255).sum(axis=2).max() < EXACT


def test_small_layers_are_summed_at_once(images: Tensor) -> None:
    model = pruned("residual", images)
    plan = plan_of(model)
    network = to_integers(model, rounding(model, plan, [(images, None)]), plan)
    operations = lower(network, shape=(3, 20, 20)).operations
    assert not any(isinstance(op, Rescale) for op in operations)
    found = [op for op in operations if isinstance(op, Convolution) and op.units is not None]
    # Rounding is part of all but the last layer, whose results are logits.
    assert [op.step > 0 for op in found] == [True, True, False]


def test_dynamic_quantization_is_refused(images: Tensor) -> None:
    model = randomize_(Residual())
    plan = plan_of(model, dynamic=True)
    network = to_integers(model, rounding(model, plan, [(images, None)]), plan)
    with pytest.raises(
        InputError, match=r"DynamicLayer with scales from the batch \(dynamic quantization\) .layer stem_0"
    ):
        SparseRuntime().load(network, threads=1)


def test_integer_weights_that_meet_only_padding_are_refused() -> None:
    torch.manual_seed(0)
    convolutions = (nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 1, stride=2, padding=1))
    model = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(32, 2)).eval()
    pixels = torch.randn(8, 3, 3, 3)
    network = to_integers(model, rounding(model, plan_of(model), [(pixels, None)]), plan_of(model))
    with pytest.raises(InputError, match="meet only padding"):
        SparseRuntime().load(network, threads=1)(pixels.numpy())
