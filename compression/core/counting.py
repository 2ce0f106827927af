"""Counts of a model: parameters, zeros, sparsity and multiply-accumulates (MACs)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE, HoldsIntegers, device_of, layer_weights, learned_values


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters. Integer weights and their scales count as parameters."""
    return sum(value.numel() for value in learned_values(model))


def count_nonzero_parameters(model: nn.Module) -> int:
    """Return the number of parameters that are not exactly zero, counted as in ``count_parameters``."""
    return sum(int(value.count_nonzero()) for value in learned_values(model))


def count_macs(model: nn.Module, image_size: int, *, channels: int = 3) -> int:
    """Return the MACs for one image of ``image_size`` x ``image_size`` pixels with ``channels`` values each.

    Zero weights count like any other, because an engine for dense networks computes them too.
    """
    with evaluating(model), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, channels, image_size, image_size, device=device_of(model)))
    return int(counter.get_total_flops()) // 2


def count_nonzero_macs(model: nn.Module, image_size: int, *, channels: int = 3) -> int:
    """Return the MACs for one image of the convolution and linear weights that are not zero.

    This is the work left for an engine that skips zeros. ``image_size`` is in pixels.
    """
    left = 0
    example = torch.zeros(1, channels, image_size, image_size, device=device_of(model))
    for name, macs in layer_macs(model, example).items():
        # By layer, because a weight that two layers share has one name only.
        weight = layer_weights(model.get_submodule(name.rpartition(".")[0]))["weight"]
        left += macs // weight.numel() * int(weight.count_nonzero())
    return left


def count_layer_weights(model: nn.Module) -> dict[str, int]:
    """Return the number of values, zeros included, of each convolution and linear weight, by name."""
    return {name: weight.numel() for name, weight in layer_weights(model).items()}


def layer_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> dict[str, float]:
    """Return the fraction (0 to 1) of each prunable weight that is zero or has been removed, by name.

    ``dense`` is ``count_layer_weights`` of the model before channels were removed. By default it is counted on
    ``model`` itself.
    """
    dense = dense or count_layer_weights(model)
    weights = layer_weights(model)
    return {name: 1 - int(weights[name].count_nonzero()) / size for name, size in dense.items()}


def model_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> float:
    """Return the fraction (0 to 1) of all prunable weights that are zero or removed; see ``layer_sparsity``."""
    total = sum((dense or count_layer_weights(model)).values())
    return 1 - sum(int(weight.count_nonzero()) for weight in layer_weights(model).values()) / total


def layer_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return the MACs for one image by convolution and linear weight.

    ``example: [B, C, H, W]`` is an input of ``model``. Each weight is used once at every position of its layer's
    output. The layers are in the order in which they ran; a layer that ran several times counts at its last run.
    """
    macs: dict[str, int] = {}

    def count(name: str, module: nn.Module, output: Tensor) -> None:
        weight = layer_weights(module)["weight"]
        positions = output.numel() // (output.shape[0] * weight.shape[0])
        macs[f"{name}.weight"] = macs.pop(f"{name}.weight", 0) + positions * weight.numel()

    handles = [
        module.register_forward_hook(lambda module, _, output, name=name: count(name, module, output))
        for name, module in model.named_modules()
        if isinstance(module, (*PRUNABLE, HoldsIntegers))
    ]
    with evaluating(model), torch.no_grad():
        model(example)
    for handle in handles:
        handle.remove()
    return macs
