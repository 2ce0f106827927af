"""The output of one rounding layer against that of the float layer it stands for, at positions drawn once."""

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
# Images whose outputs are computed at a time.
_CHUNK = 32
_MIN_POSITIONS = 8


@dataclass(frozen=True)
class Reconstruction:
    """Inputs x ``[N, P, groups, K]``, targets f(y) ``[N, P, O]`` and bias b ``[O]``; f is what follows the layer.

    ``ceiling``: None where no ReLU or ReLU6 follows, else what it clamps at from above, infinity for a ReLU.
    """

    inputs: Tensor
    targets: Tensor
    bias: Tensor
    ceiling: float | None

    @property
    def num_images(self) -> int:
        """How many images were captured, N."""
        return len(self.inputs)

    def error(self, weight: Tensor) -> float:
        """Return ``mean |f(weight x + b) - f(y)|^2`` for ``weight: [O, K]``: summed over channels."""
        total = 0.0
        for chosen in torch.arange(self.num_images, device=self.inputs.device).split(_CHUNK):
            outputs, _ = self._outputs(weight, chosen)
            difference = clamp(outputs, self.ceiling) - self.targets.index_select(0, chosen).flatten(0, 1)
            total += difference.square().sum(dtype=torch.float64).item()
        return total / (self.targets.shape[0] * self.targets.shape[1])

    def gradient(self, weight: Tensor, chosen: Tensor) -> Tensor:
        """Return the gradient ``[O, K]`` of the error on the images ``chosen``."""
        outputs, inputs = self._outputs(weight, chosen)
        slope = clamp(outputs, self.ceiling) - self.targets.index_select(0, chosen).flatten(0, 1)
        if self.ceiling is not None:
            slope *= (outputs > 0) & (outputs < self.ceiling)
        by_group = slope.view(len(slope), len(inputs), -1).permute(1, 2, 0)
        return (by_group @ inputs).reshape(weight.shape).mul_(2 / len(slope))

    def _outputs(self, weight: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``weight x + b: [R, O]`` and x as ``[groups, R, K]``, for all R positions of the images ``chosen``."""
        inputs = self.inputs.index_select(0, chosen).flatten(0, 1).transpose(0, 1)
        groups, rows, size = inputs.shape
        outputs = inputs @ weight.view(groups, -1, size).transpose(1, 2)
        return outputs.transpose(0, 1).reshape(rows, -1) + self.bias, inputs


def clamp(outputs: Tensor, ceiling: float | None) -> Tensor:
    """Return ``outputs`` after the ReLU or ReLU6 that follows, if one does."""
    return outputs if ceiling is None else outputs.clamp(0, ceiling)


def following_ceiling(graph: fx.GraphModule, node: fx.Node) -> float | None:
    """Return where the ReLU or ReLU6 that directly follows a layer clamps from above; None if none follows."""
    follower = ops.sole_user(node, partial(ops.is_clamp, graph))
    if follower is None:
        return None
    ceiling = ops.ceiling(graph, follower)
    return math.inf if ceiling is None else ceiling


def effective_bias(graph: fx.GraphModule, node: fx.Node) -> Tensor:
    """Return the bias ``[O]`` with which a layer of a prepared network computes: rounded, where it is."""
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
    """Return what ``layer`` reads, ``[N, P, groups, K]``, and the output wanted of it, ``[N, P, O]``, at P positions.

    ``pairs`` are batches of (input of the layer, wanted output) of ``num_images`` images. P is at most ``positions``,
    and at most what K weights can be told from, drawn for each image; where that takes more than ``max_bytes`` there
    are fewer, and with one, fewer images.
    """
    # A depthwise filter has nine weights: all pixels of 512 images would tell it little that a few do not.
    positions = min(positions, max(_MIN_POSITIONS, layer.weight[0].numel() // _MIN_POSITIONS))
    per_position = 4 * (layer.weight[0].numel() * groups_of(layer) + len(layer.weight))
    affordable = max_bytes // per_position
    num_kept = max(1, min(num_images, affordable))
    per_image = max(1, min(positions, affordable // num_kept))
    inputs, targets = [], []
    for input, wanted in pairs:
        # All are asked for, so that those who give them come to their end.
        if num_kept > 0:
            input, wanted = input[:num_kept], wanted[:num_kept]
            drawn = draw_positions(len(input), num_positions(layer, wanted), wanted=per_image, generator=generator)
            drawn = drawn.to(input.device)
            inputs.append(patches_at(layer, input, drawn, output=wanted).float())
            targets.append(outputs_at(layer, wanted, drawn).float())
            num_kept -= len(input)
    return torch.cat(inputs), torch.cat(targets)


def groups_of(layer: Layer) -> int:
    """Return the groups of a convolution; a linear layer has one."""
    return 1 if isinstance(layer, torch.nn.Linear) else layer.groups
