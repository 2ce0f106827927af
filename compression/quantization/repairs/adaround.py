"""AdaRound: each weight learns to round up or down, layer by layer (Nagel et al., arXiv:2004.10568)."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, fx

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network.fake_layers import FakeQuantWeight
from compression.quantization.network.layerwise import LayerWalk, layer_nodes, layer_of
from compression.quantization.observers import MIN_SCALE
from compression.quantization.repairs.bias_correction import check_ready, rounding_nodes
from compression.quantization.repairs.reconstruction import (
    Reconstruction,
    capture,
    clamp,
    effective_bias,
    following_ceiling,
)
from compression.quantization.repairs.soft_rounding import SoftRounding

FIRST_BETA, LAST_BETA, WARM_UP = 20.0, 2.0, 0.2


@dataclass(frozen=True)
class AdaRound:
    """Settings of learned rounding: the number of steps, images per step, Adam's learning rate, regularizer weight.

    A step uses at most ``positions`` output positions of each image, which are drawn once for each layer.
    """

    iterations: int = 1000
    batch_size: int = 32
    lr: float = 1e-2
    regularizer: float = 0.01
    positions: int = 64

    def __post_init__(self) -> None:
        """Raise ``InputError`` that names the key for a value out of its range."""
        for key in ("iterations", "batch_size", "positions"):
            value = getattr(self, key)
            if type(value) is not int or value < 1:
                raise InputError(f"{key}={value}: must be an integer of at least 1")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr={self.lr}: must be above 0")
        if not 0 <= self.regularizer < math.inf:
            raise InputError(f"regularizer={self.regularizer}: must be at least 0")


class RoundingErrors(NamedTuple):
    """The mean squared error of a layer's output, summed over channels, with nearest and with learned rounding."""

    nearest: float
    learned: float


@torch.no_grad()
def learn_rounding_(
    prepared: fx.GraphModule,
    reference: fx.GraphModule,
    images: Tensor,
    *,
    generator: torch.Generator,
    settings: AdaRound | None = None,
) -> dict[str, RoundingErrors]:
    """Learn the rounding of each layer of ``prepared`` that rounds its weights; return the errors by layer.

    Layers are learned in the order of execution. The inputs x of a layer come from ``prepared``: earlier layers have
    their learned weights, and activations with a scale are rounded, as in the network that will run. The target is the
    output y of ``reference``, the float network. f is the ReLU or ReLU6 that follows the layer, if any. With
    ``soft = scale * clip(floor(W / scale) + h(V), low, high)`` and h the rectified sigmoid, Adam minimizes over V::

        mean |f(soft x + b) - f(y)|^2 + regularizer * sum (1 - |2 h(V) - 1|^beta)

    The regularizer is off in the first fifth of the steps; beta then falls from 20 to 2. At the end, the weight becomes
    ``scale * clip(floor(W / scale) + (h >= 1/2), low, high)``; rounding it to nearest later does not change it. Zeros
    stay zero. If rounding to nearest is better for a layer, the layer keeps that.

    ``images: [N, C, H, W]`` are calibration images. The float32 captures of a layer take at most
    ``reconstruction.MAX_CAPTURE`` bytes; to stay below, they use fewer positions, then fewer images. Activations
    between layers take at most an eighth of the free memory for each network. Batch norm must be folded in both
    networks, and activations must have their scales.
    """
    settings = settings or AdaRound()
    check_ready(prepared, reference)
    targets = layer_nodes(reference)
    errors: dict[str, RoundingErrors] = {}
    with evaluating(prepared), evaluating(reference):
        batches = images.split(settings.batch_size)
        walks = LayerWalk(prepared, batches), LayerWalk(reference, batches)
        for name, node in rounding_nodes(prepared).items():
            if name not in targets:
                continue
            layer, float_layer = layer_of(prepared, name), layer_of(reference, name)
            inputs = zip(walks[0].inputs(node), walks[1].inputs(targets[name]), strict=True)
            captured, wanted = capture(
                layer,
                ((rounded, float_layer(exact)) for rounded, exact in inputs),
                num_images=len(images),
                positions=settings.positions,
                generator=generator,
            )
            ceiling = following_ceiling(reference, targets[name])
            problem = Reconstruction(captured, clamp(wanted, ceiling), effective_bias(prepared, node), ceiling)
            assert isinstance(layer, FakeQuantWeight)
            errors[name] = learn_layer_(layer, problem, settings=settings, generator=generator)
    return errors


def beta_at(progress: float) -> float | None:
    """Return the exponent of the regularizer at ``progress`` in [0, 1): it falls from 20 to 2; None while it is off."""
    if progress < WARM_UP:
        return None
    return FIRST_BETA + (LAST_BETA - FIRST_BETA) * (progress - WARM_UP) / (1 - WARM_UP)


@torch.no_grad()
def learn_layer_(
    layer: FakeQuantWeight, problem: Reconstruction, *, settings: AdaRound, generator: torch.Generator
) -> RoundingErrors:
    """Learn the rounding of one layer, set its weight, and return its errors; see ``learn_rounding_``."""
    weight = layer.weight.detach().flatten(1).float()
    scale = layer.weight_scale.detach().clamp(min=MIN_SCALE)[:, None]
    rounding = SoftRounding(weight, scale, layer.weight_grid)
    values = rounding.values.requires_grad_()
    optimizer = torch.optim.Adam([values], lr=settings.lr, fused=True)
    for step in range(settings.iterations):
        chosen = torch.randperm(problem.num_images, generator=generator)[: settings.batch_size]
        slope = problem.gradient(rounding.soft(), chosen.to(weight.device))
        beta = beta_at(step / settings.iterations)
        values.grad = rounding.gradient_(slope, beta=beta, weight=settings.regularizer)
        optimizer.step()
    nearest, learned = rounding.nearest * scale, rounding.hard() * scale
    errors = RoundingErrors(problem.error(nearest), problem.error(learned))
    best = learned if errors.learned < errors.nearest else nearest
    layer.weight.copy_(best.view_as(layer.weight))
    return RoundingErrors(errors.nearest, min(errors))
