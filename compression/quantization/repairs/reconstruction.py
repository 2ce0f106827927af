"""Layer reconstruction: the output error of a rounding layer against its float layer, at positions drawn once."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, fx

from compression.quantization.network import graph as ops
from compression.quantization.network.fake_layers import BiasRounding
from compression.quantization.network.layerwise import Layer, layer_of
from compression.quantization.repairs.patches import draw_positions, num_positions, outputs_at, patches_at

MAX_CAPTURE = 256 * 2**20
# Outputs are computed for this many images at once.
_CHUNK = 32
_MIN_POSITIONS = 8


@dataclass(frozen=True)
class Reconstruction:
    """Captured data of one layer: inputs x ``[N, P, groups, K]``, targets f(y) ``[N, P, O]`` and bias b ``[O]``.

    f is the activation function after the layer, described by ``ceiling``: None if no ReLU or ReLU6 follows, else the
    value above which it clamps, infinity for a ReLU.
    """

    inputs: Tensor
    targets: Tensor
    bias: Tensor
    ceiling: float | None

    @property
    def num_images(self) -> int:
        """The number N of captured images."""
        return len(self.inputs)

    def error(self, weight: Tensor) -> float:
        """Return ``mean |f(weight x + b) - f(y)|^2`` for ``weight: [O, K]``.

        The error is summed over channels and averaged over images and positions.
        """
        total = 0.0
        for chosen in torch.arange(self.num_images, device=self.inputs.device).split(_CHUNK):
            outputs, _ = self._outputs(weight, chosen)
            difference = clamp(outputs, self.ceiling) - self.targets.index_select(0, chosen).flatten(0, 1)
            total += difference.square().sum(dtype=torch.float64).item()
        return total / (self.targets.shape[0] * self.targets.shape[1])

    def gradient(self, weight: Tensor, chosen: Tensor) -> Tensor:
        """Return the gradient ``[O, K]`` of the error by ``weight: [O, K]`` on the images with indices ``chosen``."""
        outputs, inputs = self._outputs(weight, chosen)
        slope = clamp(outputs, self.ceiling) - self.targets.index_select(0, chosen).flatten(0, 1)
        if self.ceiling is not None:
            slope *= (outputs > 0) & (outputs < self.ceiling)
        by_group = slope.view(len(slope), len(inputs), -1).permute(1, 2, 0)
        return (by_group @ inputs).reshape(weight.shape).mul_(2 / len(slope))

    def _outputs(self, weight: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``weight x + b: [R, O]`` and x as ``[groups, R, K]``, for all R positions of the chosen images."""
        inputs = self.inputs.index_select(0, chosen).flatten(0, 1).transpose(0, 1)
        groups, rows, size = inputs.shape
        outputs = inputs @ weight.view(groups, -1, size).transpose(1, 2)
        return outputs.transpose(0, 1).reshape(rows, -1) + self.bias, inputs


def clamp(outputs: Tensor, ceiling: float | None) -> Tensor:
    """Return ``outputs`` clamped to [0, ceiling], as by a ReLU or ReLU6; unchanged if ``ceiling`` is None."""
    return outputs if ceiling is None else outputs.clamp(0, ceiling)


def following_ceiling(graph: fx.GraphModule, node: fx.Node) -> float | None:
    """Return the ceiling of the clamp directly after a layer: 6 for ReLU6, infinity for ReLU, None without a clamp."""
    follower = ops.sole_user(node, partial(ops.is_clamp, graph))
    if follower is None:
        return None
    ceiling = ops.ceiling(graph, follower)
    return math.inf if ceiling is None else ceiling


def effective_bias(graph: fx.GraphModule, node: fx.Node) -> Tensor:
    """Return the bias ``[O]`` that a layer of a prepared network uses, rounded if the network rounds it."""
    layer = layer_of(graph, str(node.target))
    bias = layer.weight.new_zeros(len(layer.weight)) if layer.bias is None else layer.bias.detach()
    rounding = ops.sole_user(node, lambda user: isinstance(ops.module_of(graph, user), BiasRounding))
    if rounding is None:
        return bias
    output = bias.view(1, -1, *[1] * (layer.weight.ndim - 2))
    rounded: Tensor = graph.get_submodule(str(rounding.target))(output)
    return rounded.flatten()


def capture(
    layer: Layer,
    pairs: Iterable[tuple[Tensor, Tensor]],
    *,
    num_images: int,
    positions: int,
    generator: torch.Generator,
    max_bytes: int = MAX_CAPTURE,
) -> tuple[Tensor, Tensor]:
    """Return inputs of ``layer``, ``[N, P, groups, K]``, and wanted outputs, ``[N, P, O]``, at P positions per image.

    ``pairs`` are batches of (input of the layer, wanted output), ``num_images`` images in total. Positions are drawn
    at random for each image. P is at most ``positions``, and at most K / 8 (but up to 8), because few weights need few
    positions. If that takes more than ``max_bytes``, fewer positions are used, and with one position fewer images.
    """
    # A depthwise filter has only nine weights. It learns little more from all pixels of 512 images than from a few.
    positions = min(positions, max(_MIN_POSITIONS, layer.weight[0].numel() // _MIN_POSITIONS))
    per_position = 4 * (layer.weight[0].numel() * groups_of(layer) + len(layer.weight))
    affordable = max_bytes // per_position
    num_kept = max(1, min(num_images, affordable))
    per_image = max(1, min(positions, affordable // num_kept))
    inputs, targets = [], []
    for input, wanted in pairs:
        # All pairs are read, even those not needed, so that the generators behind them run to their end.
        if num_kept > 0:
            input, wanted = input[:num_kept], wanted[:num_kept]
            drawn = draw_positions(len(input), num_positions(layer, wanted), wanted=per_image, generator=generator)
            drawn = drawn.to(input.device)
            inputs.append(patches_at(layer, input, drawn, output=wanted).float())
            targets.append(outputs_at(layer, wanted, drawn).float())
            num_kept -= len(input)
    return torch.cat(inputs), torch.cat(targets)


def groups_of(layer: Layer) -> int:
    """Return the number of groups of a convolution; 1 for a linear layer."""
    return 1 if isinstance(layer, torch.nn.Linear) else layer.groups
