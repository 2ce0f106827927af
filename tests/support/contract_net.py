"""A small network with every kind of channel coupling, with batches and with several kinds of weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights

NUM_CLASSES = 4
EXAMPLE = torch.zeros(2, 3, 8, 8)
SITUATIONS = ("random", "all equal", "all zero", "most zero", "of two sizes", "tiny and huge")


def situations(*fast: str) -> list[Any]:
    """Return all ``SITUATIONS`` as parameters of a test. All except ``fast`` are marked slow."""
    slow = [pytest.param(name, marks=pytest.mark.slow) for name in SITUATIONS if name not in fast]
    return [*fast, *slow]


class ContractNet(nn.Module):
    """A stem, a residual block, a depthwise-separable block, a 1x1 convolution and a linear head.

    ``[B, 3, H, W] -> [B, 4]``. Channel counts are multiples of 8. A 2:4 pattern fits all layers except the stem and the
    depthwise convolution.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 16, 3)
        self.inner = _conv(16, 24, 3)
        self.outer = _conv(24, 16, 3)
        self.depthwise = _conv(16, 16, 3, groups=16)
        self.separable = _conv(16, 32, 1)
        self.pointwise = nn.Conv2d(32, 24, 1)
        self.head = nn.Linear(24, NUM_CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        x = self.stem(images).relu()
        x = (x + self.outer(self.inner(x).relu())).relu()
        x = self.separable(self.depthwise(x).relu()).relu()
        return self.head(self.pointwise(x).relu().mean((2, 3)))


def make_net(situation: str = "random", seed: int = 0) -> ContractNet:
    """Return the network with weights of one of ``SITUATIONS``; the global random state does not change."""
    with torch.random.fork_rng(devices=[]):
        net = ContractNet()
    generator = make_generator("net", seed)
    with torch.no_grad():
        for weight in prunable_weights(net).values():
            weight.copy_(_weights(situation, torch.randn(weight.shape, generator=generator)))
    randomize_batch_norm_(net, generator)
    return net.train()


@torch.no_grad()
def randomize_batch_norm_(model: nn.Module, generator: torch.Generator) -> None:
    """Give every batch norm scales, shifts and statistics that differ from channel to channel."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_mean, -0.5)):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)


def make_batches(count: int = 3, size: int = 6) -> list[tuple[Tensor, Tensor]]:
    """Return ``count`` fixed batches of (images ``[size, 3, 8, 8]``, labels ``[size]``)."""
    generator = make_generator("batches")
    return [
        (torch.randn(size, 3, 8, 8, generator=generator), torch.randint(NUM_CLASSES, (size,), generator=generator))
        for _ in range(count)
    ]


def _conv(num_inputs: int, num_outputs: int, size: int, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(num_inputs, num_outputs, size, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(num_outputs))


def _weights(situation: str, normal: Tensor) -> Tensor:
    return {
        "random": normal / 10,
        "all equal": torch.full_like(normal, 0.1),
        "all zero": torch.zeros_like(normal),
        "most zero": normal * (normal > 1),
        "of two sizes": normal.sign() / 10,
        "tiny and huge": normal * 10 ** (3 * normal.clamp(-3, 3)),
    }[situation]
