"""Random networks for the sparse engine: any kernel, stride, padding, dilation and groups, at any sparsity."""

import random
from typing import Any

import torch
from torch import Tensor, nn

from compression.core.batch_norm import reestimate_batch_norm_

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Sigmoid, nn.Hardsigmoid, nn.LeakyReLU, nn.Identity)


class Residual(nn.Module):
    """The sum of a map and a branch that keeps its shape."""

    def __init__(self, channels: int, rng: random.Random) -> None:
        super().__init__()
        self.branch = convolution(channels, channels, rng, kernel=3, groups=rng.choice((1, channels)), keeps_size=True)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.branch(images))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, rng: random.Random) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Conv2d(channels, 5, 1), nn.Conv2d(5, channels, 1)
        self.act = rng.choice((nn.Sigmoid, nn.Hardsigmoid))()

    def forward(self, images: Tensor) -> Tensor:
        gate = torch.relu(self.squeeze(images.mean((2, 3), keepdim=True)))
        return images * self.act(self.excite(gate))


class Branches(nn.Module):
    """Two branches whose channels are concatenated, one of them pooled."""

    def __init__(self, channels: int, rng: random.Random) -> None:
        super().__init__()
        self.left = convolution(channels, rng.randint(1, 9), rng, kernel=1, keeps_size=True)
        self.right = rng.choice((nn.MaxPool2d, nn.AvgPool2d))(3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.left(images), self.right(images)], dim=1)


def convolution(
    inputs: int, outputs: int, rng: random.Random, *, kernel: int = 0, groups: int = 1, keeps_size: bool = False
) -> nn.Sequential:
    """Return a convolution with an activation, and often with batch norm."""
    size = kernel or rng.choice((1, 2, 3, 3, 5, 7))
    # A quarter of the kernels are not square.
    sides = (size, size) if kernel or rng.random() < 0.75 else (size, rng.choice((1, 3, 5)))
    dilation = 1 if keeps_size else rng.choice((1, 1, 2))
    layer = nn.Conv2d(
        inputs,
        outputs,
        sides,
        stride=1 if keeps_size else rng.choice((1, 1, 2, 3)),
        padding=[side // 2 if keeps_size else rng.randint(dilation * (side - 1) // 2, side) for side in sides],
        dilation=dilation,
        groups=groups,
        bias=rng.random() < 0.5,
    )
    norm = nn.BatchNorm2d(outputs) if rng.random() < 0.7 else nn.Identity()
    return nn.Sequential(layer, norm, rng.choice(ACTIVATIONS)())


def random_network(seed: int) -> tuple[nn.Module, Tensor]:
    """Return a network in evaluation mode and images for it: ``[B, 3, H, W]``.

    Batch norm is estimated on these images, and networks whose signal dies between random layers are drawn again.
    """
    while True:
        network, images = _draw(seed)
        with torch.no_grad():
            logits = network(images)
        if (logits[0] - logits[1]).abs().max() > 1e-2 * logits.abs().max():
            return network, images
        seed += 1000


def _draw(seed: int) -> tuple[nn.Module, Tensor]:
    rng = random.Random(seed)
    torch.manual_seed(seed)
    channels, layers = 3, []
    height, width = rng.choice((1, 7, 8, 16, 17, 32, 33, 65)), rng.choice((1, 5, 8, 16, 19, 32))
    images = torch.randn(5, 3, height, width)
    for _ in range(rng.randint(2, 6)):
        kind = rng.choice(
            ("convolution", "convolution", "depthwise", "grouped", "residual", "gate", "branches", "pool")
        )
        layer: Any = None
        if kind == "convolution":
            layer = convolution(channels, rng.randint(1, 40), rng)
        elif kind == "depthwise":
            layer = convolution(channels, channels, rng, groups=channels)
        elif kind == "grouped" and channels % 2 == 0:
            layer = convolution(channels, 2 * rng.randint(1, 12), rng, groups=2)
        elif kind in ("residual", "gate", "branches"):
            layer = {"residual": Residual, "gate": Gate, "branches": Branches}[kind](channels, rng)
        elif kind == "pool" and min(images.shape[2:]) > 2:
            layer = rng.choice((nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1)))
        if layer is not None:
            layers.append(layer)
            with torch.no_grad():
                images = layer.train()(images)
            channels = images.shape[1]
    head: list[nn.Module] = [nn.Flatten(), nn.Dropout(0.5), nn.LazyLinear(7)]
    if rng.random() < 0.7:
        head.insert(0, nn.AdaptiveAvgPool2d(rng.choice((1, 2))))
    network = nn.Sequential(*layers, *head)
    images = torch.randn(21, 3, height, width)
    network(images)
    _prune_(network, rng)
    reestimate_batch_norm_(network, [(images, torch.zeros(21))], 1)
    return network.eval(), images


def _prune_(network: nn.Module, rng: random.Random) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            # Depthwise layers too, and some layers have no weight left.
            sparsity = rng.choice((0.0, 0.5, 0.5, 0.9, 0.9, 0.99, 1.0))
            with torch.no_grad():
                layer.weight *= torch.rand_like(layer.weight) >= sparsity
                if len(layer.weight) > 2:
                    layer.weight[rng.randrange(len(layer.weight))] = 0
