"""AdaRound: each weight learns whether to go up or down, layer by layer (Nagel et al., arXiv:2004.10568)."""

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
    MAX_CAPTURE,
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
    """How rounding is learned: steps, images in each, Adam's learning rate, weight of the regularizer.

    A step takes at most ``positions`` outputs of an image, drawn once for each layer.
    """

    iterations: int = 1000
    batch_size: int = 32
    lr: float = 1e-2
    regularizer: float = 0.01
    positions: int = 64

    def __post_init__(self) -> None:
        """Raise ``InputError``."""
        for key in ("iterations", "batch_size", "positions"):
            value = getattr(self, key)
            if type(value) is not int or value < 1:
                raise InputError(f"{key}={value}: must be an integer of at least 1")
        if not 0 < self.lr < math.inf:
            raise InputError(f"lr={self.lr}: must be above 0")
        if not 0 <= self.regularizer < math.inf:
            raise InputError(f"regularizer={self.regularizer}: must be at least 0")


class RoundingErrors(NamedTuple):
    """Mean squared error of a layer's output, summed over channels: weights rounded to nearest, and as learned."""

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
    max_bytes: int = MAX_CAPTURE,
) -> dict[str, RoundingErrors]:
    """Learn how to round the weights of each layer of ``prepared`` that rounds; return what it won, by layer.

    In the order of execution: inputs x are those in ``prepared``, with the layers before as they were learned and
    activations rounded wherever they have a scale, since that is the network that will run; the target is the output y
    of ``reference``, the float network, with the ReLU or ReLU6 f that follows. With ``soft = scale * clip(floor(W /
    scale) + h(V), low, high)``, h the rectified sigmoid, Adam minimizes over V::

        mean |f(soft x + b) - f(y)|^2 + regularizer * sum (1 - |2 h(V) - 1|^beta)

    beta falls from 20 to 2, after a first fifth without regularizer. Then the weight is set to ``scale * clip(floor(W /
    scale) + (h >= 1/2), low, high)``, which rounding to nearest gives back. Zeros stay zero, and a layer for which
    nearest is better keeps nearest. ``images: [N, 3, H, W]`` for calibration; captures of a layer take ``max_bytes``,
    float32, and for that use fewer positions, then fewer images; what is between layers takes ``layerwise.MAX_BYTES``
    for each network. Batch norm is folded in both, activations have their scales.
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
                max_bytes=max_bytes,
            )
            ceiling = following_ceiling(reference, targets[name])
            problem = Reconstruction(captured, clamp(wanted, ceiling), effective_bias(prepared, node), ceiling)
            assert isinstance(layer, FakeQuantWeight)
            errors[name] = learn_layer_(layer, problem, settings=settings, generator=generator)
    return errors


def beta_at(progress: float) -> float | None:
    """Return the regularizer's exponent at ``progress`` in [0, 1): from 20 down to 2; None while it is off."""
    if progress < WARM_UP:
        return None
    return FIRST_BETA + (LAST_BETA - FIRST_BETA) * (progress - WARM_UP) / (1 - WARM_UP)


@torch.no_grad()
def learn_layer_(
    layer: FakeQuantWeight, problem: Reconstruction, *, settings: AdaRound, generator: torch.Generator
) -> RoundingErrors:
    """Learn the rounding of one layer and set its weight to it; see ``learn_rounding_``."""
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
