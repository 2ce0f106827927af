"""Every kind of operation gives what PyTorch gives."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.runtimes.sparse.sparse_engine import SparseRuntime

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "max pool, ceil": lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True),
    "max pool, dilation": lambda x: F.max_pool2d(x, 2, 1, dilation=2),
    "max pool, padding": lambda x: F.max_pool2d(F.hardtanh(x) + -2, (3, 2), (2, 1), (1, 0)),
    "mean pool": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "mean pool, without padding": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "mean pool, ceil": lambda x: F.avg_pool2d(x, 4, 3, 1, ceil_mode=True),
    "mean pool, divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "adaptive mean": lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, 1),
    "mean": lambda x: x.mean((2, 3), keepdim=True),
    "clamp": lambda x: torch.clamp(x, -0.3, 0.7),
    "clamp below": lambda x: x.clamp(min=0.1),
    "clamp on one side": lambda x: torch.clamp_max(x.clamp_min(-0.2), 0.4),
    "differences": lambda x: (x - 1) - torch.relu(x) + (2 - x.sub(torch.sigmoid(x))),
    "hardtanh": lambda x: F.hardtanh(x),
    "relu6": lambda x: F.relu6(3 * x),
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "numbers": lambda x: (x * 2 + 1) / 3,
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "gate before": lambda x: torch.sigmoid(x.mean((2, 3), keepdim=True)) * x,
    "sum with itself": lambda x: x + x,
    "pad": lambda x: F.pad(x, (1, 2, 0, 3)),
    "pad after the pixels": lambda x: F.pad(x, (0, 1, 0, 1)),
    "sum by name": lambda x: torch.add(x, other=torch.relu(x)),
    "quotient by name": lambda x: torch.div(x, other=3),
    "overwritten by a sum": lambda x: (lambda y: (y.add_(x), F.relu(y))[1])(torch.relu(x)),
    "overwritten by a limit": lambda x: (lambda y: (F.relu(y, inplace=True), y + 1)[1])(x * 2),
    "dropout of evaluation": lambda x: F.dropout(x, 0.5, training=False),
    "concatenation": lambda x: torch.cat([x, F.relu(x), x], dim=1),
    "concatenation by its other name": lambda x: torch.concat([x, F.relu(x)], 1),
    "parts": lambda x: (lambda parts: torch.cat([parts[1], parts[0] * parts[2]], dim=1))(x.chunk(3, dim=1)),
    "flatten and back": lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1).view(-1, 6, 1, 1) + x,
}


class Calls(nn.Module):
    """A convolution, one function, and a linear layer over all pixels."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 6, 3, padding=1), function
        self.head = nn.LazyLinear(5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.flatten(self.function(self.conv(images)), 1))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_gives_what_pytorch_gives(name: str) -> None:
    torch.manual_seed(0)
    network, images = Calls(FUNCTIONS[name]).eval(), torch.randn(18, 3, 11, 9)
    with torch.inference_mode():
        expected = network(images).numpy()
    predict = SparseRuntime().load(network, threads=1)
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * np.abs(expected).max()
    np.testing.assert_allclose(predict(images.numpy()), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(predict(images[:1].numpy()), expected[:1], rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: torch.div(x, 0.5, rounding_mode="floor"), "div with rounding_mode"),
        (lambda x: torch.topk(x, 3, dim=1)[0], "getitem of topk"),
        (lambda x: torch.max(x, 1, keepdim=True)[0], "getitem of max"),
        (lambda x: F.pad(F.adaptive_avg_pool2d(x, 1), (1, -1)), "pad whose weights meet only padding"),
        (lambda x: F.dropout(x, 0.5), "dropout with training=True"),
        (lambda x: torch.add(x, x, alpha=2), "add with alpha"),
        (lambda x: torch.sigmoid(x).round().to(torch.int32), "round"),
    ],
)
def test_what_has_no_kernel_is_refused_by_name(function: Callable[[Tensor], Tensor], why: str) -> None:
    network = Calls(lambda x: function(x).float())
    with torch.no_grad():
        network(torch.randn(1, 3, 8, 8))
    predict = SparseRuntime().load(network.eval(), threads=1)
    with pytest.raises(InputError, match=rf"^engine sparse: {why}.* is not supported; use another engine$"):
        predict(np.zeros((1, 3, 8, 8), dtype=np.float32))
