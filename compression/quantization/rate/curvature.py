"""How much the loss feels a change of each weight: the diagonal of its Fisher information, from squares alone."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network.layerwise import Layer, layer_nodes, layer_of

# A weight that no image feels is felt a little all the same: this fraction of what its layer's are on average.
SMOOTHING = 1e-3


def measure_curvature(
    reference: fx.GraphModule, batches: Iterable[tuple[Tensor, Tensor]], *, num_batches: int
) -> dict[str, Tensor]:
    """Return by layer ``c: [O, K]``, as a row of the flattened weight, for layers that are called once.

    ``F_oj = E sum_p g_op^2 x_jp^2``, with g the gradient of an image's cross-entropy by an output of the layer, x what
    weight j meets there, p its positions and E the mean over images: the Fisher diagonal if positions are independent,
    at the price of one backward pass. Few images tell it noisily, so half of c is F and half what its sums by row and
    by column say, ``F_o. F_.j / F_..``, as in the factors of arXiv:1503.05671. A weight that meets padding alone, as in
    kernels wider than the image, has next to none. ``batches`` are (images ``[B, 3, H, W]``, labels ``[B]``), training
    images, of which the first ``num_batches`` are read; ``reference`` is the float network. Raises ``InputError``.
    """
    layers = {name: layer_of(reference, name) for name in layer_nodes(reference)}
    sums = {name: torch.zeros_like(layer.weight) for name, layer in layers.items()}
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str, _layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        seen[name] = (given[0].detach(), output)

    hooks = [layer.register_forward_hook(partial(keep, name)) for name, layer in layers.items()]
    num_images = 0
    try:
        with evaluating(reference), torch.enable_grad():
            for images, labels in islice(batches, num_batches):
                logits = reference(images.detach().requires_grad_())
                # The sum, so that each image has the gradient that it would have alone.
                torch.autograd.backward(F.cross_entropy(logits.float(), labels, reduction="sum"))
                num_images += len(images)
                for name, (given, output) in seen.items():
                    if output.grad is not None:
                        sums[name] += _sum_squares(layers[name], given, output.grad)
                seen.clear()
    finally:
        for hook in hooks:
            hook.remove()
        reference.zero_grad(set_to_none=True)
    if not num_images:
        raise InputError("the curvature needs at least one batch of training images")
    return {name: _smoothed(total.flatten(1) / num_images) for name, total in sums.items()}


def relative_curvature(curvature: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``curvature`` so that ``c w^2`` is 1 on average, over all ``weights`` of the network that are not 0.

    So one price of a bit says the same of every network, however sure of its images it is. By layer, ``[O, K]`` each.
    """
    total = sum(float((curvature[name] * weight.square()).sum(dtype=torch.float64)) for name, weight in weights.items())
    count = sum(int((weight != 0).sum()) for weight in weights.values())
    return {name: curvature[name] * (count / total if total > 0 else 1.0) for name in weights}


def _sum_squares(layer: Layer, given: Tensor, slope: Tensor) -> Tensor:
    """Return the sum over images and positions of ``g_o^2 x_j^2``, of the shape of the weight."""
    # The layer's own arithmetic on squares: its derivative by a weight, weighed by squares, is that sum.
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    squares = given.square()
    if isinstance(layer, nn.Linear):  # noqa: SIM108 - as one expression the type is lost
        output = F.linear(squares, weight)
    else:
        output = layer._conv_forward(squares, weight, None)
    [total] = torch.autograd.grad(output, weight, slope.square())
    return total


def _smoothed(values: Tensor) -> Tensor:
    everything = values.sum()
    if everything == 0:
        return torch.ones_like(values)
    factored = values.sum(1, keepdim=True) * (values.sum(0) / everything)
    return (values + factored) / 2 + SMOOTHING * values.mean()
