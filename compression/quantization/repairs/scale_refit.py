"""Scale refitting: a least-squares fit of the scale and bias of each output channel to its rounded weights."""

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network.fake_layers import FakeQuantWeight
from compression.quantization.network.layerwise import LayerWalk, layer_nodes, layer_of
from compression.quantization.network.scale_grid import nearest_powers
from compression.quantization.repairs.bias_correction import check_ready, rounding_nodes

# A channel that would need a factor outside this range has lost so much that a fit would amplify noise.
_FACTORS = (0.5, 2.0)


@torch.no_grad()
def fit_channels_(
    prepared: fx.GraphModule,
    reference: fx.GraphModule,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    num_batches: int,
    on_grid: bool = False,
) -> None:
    """Fit the scales and biases of the rounding layers of ``prepared`` to the outputs of ``reference``.

    For each output channel, ``a y + b`` approximates the output of ``reference`` in the mean square over images and
    positions: ``a = cov(y, y_reference) / var(y)``, limited to [0.5, 2]. The scale is multiplied by a; the integers do
    not change. With ``on_grid``, the scale is then rounded to ``scale_grid``, before b is fitted. Layers are fitted in
    the order of execution, so each layer also compensates errors of earlier layers. A layer that is called more than
    once does not change.

    The weights of ``prepared`` must be on their grid, and its activations must be float. Batch norm must be folded in
    both networks. The first ``num_batches`` of ``batches`` are used: (images ``[B, C, H, W]``, labels) of training
    images. Raises ``InputError`` if there is no batch.
    """
    images = [images for images, _ in islice(batches, num_batches)]
    if not images:
        raise InputError("channels are fitted on at least one batch of training images")
    check_ready(prepared, reference)
    targets = layer_nodes(reference)
    nodes = {name: node for name, node in rounding_nodes(prepared).items() if name in targets}
    with evaluating(prepared), evaluating(reference):
        walks = LayerWalk(prepared, images), LayerWalk(reference, images)
        for name, node in nodes.items():
            layer, exact = layer_of(prepared, name), layer_of(reference, name)
            assert isinstance(layer, FakeQuantWeight)
            if layer.bias is None:
                layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))
            axis = -1 if isinstance(layer, nn.Linear) else 1
            moments = torch.zeros(4, len(layer.weight), dtype=torch.float64, device=layer.weight.device)
            count = 0
            for rounded, given in zip(walks[0].inputs(node), walks[1].inputs(targets[name]), strict=True):
                found, wanted = (
                    output.movedim(axis, 0).flatten(1).double() for output in (layer(rounded), exact(given))
                )
                products = (found, wanted, found.square(), found * wanted)
                moments += torch.stack([values.sum(1) for values in products])
                count += found.shape[1]
            mean, wanted_mean, square, product = moments / count
            variance = square - mean.square()
            factor = (product - mean * wanted_mean) / variance
            # A channel without variance, such as one without non-zero weights, has a bias to fit but no scale.
            varies = variance > 1e-9 * square
            factor = torch.where(varies, factor, torch.ones_like(factor)).clamp(*_FACTORS)
            # The factor is taken from the scales after storing, so that bias and scale agree.
            before = layer.weight_scale.detach().double()
            scale = layer.weight_scale * factor.to(layer.weight_scale.dtype)
            layer.weight_scale.copy_(nearest_powers(scale) if on_grid else scale)
            factor = layer.weight_scale.detach().double() / before
            layer.weight.mul_(factor.to(layer.weight.dtype).reshape(-1, *[1] * (layer.weight.ndim - 1)))
            shift = wanted_mean - factor * (mean - layer.bias.double())
            layer.bias.copy_(shift.to(layer.bias.dtype))
