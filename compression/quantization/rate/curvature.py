"""The sensitivity of the loss to each weight: an estimate of the Fisher diagonal from squared gradients and inputs."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network.layerwise import Layer, layer_nodes, layer_of

# Every weight gets at least this fraction of its layer's mean curvature, even if no image is sensitive to it.
SMOOTHING = 1e-3


def measure_curvature(
    reference: fx.GraphModule, batches: Iterable[tuple[Tensor, Tensor]], *, num_batches: int
) -> dict[str, Tensor]:
    """Return the curvature ``c: [O, K]`` of each layer that is called once; K counts the weights of a flattened row.

    ``F_oj = E sum_p g_op^2 x_jp^2``: g is the gradient of the cross-entropy of an image by an output of the layer, x is
    the input that weight j multiplies, p runs over positions, and E is the mean over images. F is the Fisher diagonal
    if positions are independent, and costs one backward pass. With few images F is noisy. So half of c is F, and half
    is its rank-one estimate from row and column sums, ``F_o. F_.j / F_..``, as in the factors of arXiv:1503.05671. A
    weight that only meets padding, as in kernels wider than the image, has a curvature near 0.

    ``reference`` is the float network. The first ``num_batches`` of ``batches`` are read: (images ``[B, 3, H, W]``,
    labels ``[B]``) of training images. Raises ``InputError`` if there is no batch.
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
                # With the sum, each image gets the same gradient as in a batch of one.
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
    """Return ``curvature`` scaled so that ``c w^2`` is 1 on average over all ``weights`` that are not 0.

    One price of a bit then means the same for every network, whatever the confidence of its predictions. Both arguments
    map layers to ``[O, K]``.
    """
    total = sum(float((curvature[name] * weight.square()).sum(dtype=torch.float64)) for name, weight in weights.items())
    count = sum(int((weight != 0).sum()) for weight in weights.values())
    return {name: curvature[name] * (count / total if total > 0 else 1.0) for name in weights}


def _sum_squares(layer: Layer, given: Tensor, slope: Tensor) -> Tensor:
    """Return the sum over images and positions of ``g_o^2 x_j^2``, in the shape of the weight."""
    # The layer is linear. Applied to squared inputs, its gradient by the weight, with squared slopes, is that sum.
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    squares = given.square()
    if isinstance(layer, nn.Linear):  # noqa: SIM108 - a single expression would lose the type
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
