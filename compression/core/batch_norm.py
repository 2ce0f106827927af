"""Batch norm: new running statistics, and the layer that each batch norm follows.

Running statistics are out of date once weights are pruned or rounded.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE, prunable_weights


@torch.no_grad()
def reestimate_batch_norm_(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], num_batches: int) -> None:
    """Replace running statistics by the plain average over the first ``num_batches`` of ``batches``.

    ``batches`` yield (``images: [B, C, H, W]``, labels). Only batch-norm layers run in training mode meanwhile, so
    dropout draws no random numbers. Modes and momentum are restored, also after an error. Does nothing for a model
    without batch norm or with ``num_batches=0``.
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers or num_batches == 0:
        return
    momenta = [layer.momentum for layer in layers]
    with evaluating(model):
        try:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # makes torch compute a cumulative average
                layer.train()
            for images, _ in islice(batches, num_batches):
                model(images)
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum


@torch.no_grad()
def following_batch_norms(model: nn.Module, example: Tensor) -> dict[str, _BatchNorm]:
    """Return the batch norms that directly follow a prunable layer, by the name of the layer's weight.

    ``example: [B, C, H, W]`` is an input of ``model``. The model runs on it once, in evaluation mode, and is not
    changed. A layer is absent if another operation comes between, as in networks that normalize before they convolve,
    and a linear layer whose output is ``[B, N, C]``, because its batch norm normalizes the axis N.
    """
    names = {id(weight): name for name, weight in prunable_weights(model).items()}
    # Keep the outputs alive: Python may reuse the id of a freed tensor for a later one.
    outputs: dict[int, tuple[nn.Parameter, Tensor, int]] = {}
    found: dict[str, _BatchNorm] = {}

    def remember(layer: Any, _: Any, output: Tensor) -> None:
        if isinstance(layer, nn.Linear) and output.ndim > 2:
            return
        outputs[id(output)] = layer.weight, output, output._version

    def look_up(norm: Any, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) not in outputs:
            return
        weight, output, version = outputs[id(inputs[0])]
        # An in-place activation passes on the same tensor object with changed values.
        if output._version == version and norm.num_features == weight.shape[0]:
            found.setdefault(names[id(weight)], norm)

    hooks = []
    for module in model.modules():
        if isinstance(module, PRUNABLE) and id(module.weight) in names:
            hooks.append(module.register_forward_hook(remember))
        elif isinstance(module, _BatchNorm):
            hooks.append(module.register_forward_pre_hook(look_up))
    try:
        with evaluating(model):
            model(example.to(next(model.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def fold_factors(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return factor and shift of a batch norm: (gamma / sigma, beta - mu * gamma / sigma), float64 ``[C]`` each."""
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    factor = 1 / torch.sqrt(variance + norm.eps)
    if norm.weight is not None:
        factor = factor * norm.weight.double()
    shift = -mean * factor
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    return factor, shift
