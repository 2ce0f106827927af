"""Counts of a model: parameters, zeros, sparsity and multiply-accumulates (MACs)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

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
    with evaluating(model), _without_gradients(model), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, channels, image_size, image_size, device=device_of(model)))
    return int(counter.get_total_flops()) // 2


@contextmanager
def _without_gradients(model: nn.Module) -> Iterator[None]:
    """Freeze all parameters inside the ``with`` block."""
    # The counter follows modules back from inputs that need a gradient, and fails on parameters that are such inputs.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def count_nonzero_macs(model: nn.Module, image_size: int, *, channels: int = 3) -> int:
    """Return the MACs for one image of the convolution and linear weights that are not zero.

    This is the work left for an engine that skips zeros. ``image_size`` is in pixels.
    """
    left = 0
    example = torch.zeros(1, channels, image_size, image_size, device=device_of(model))
    for name, macs in layer_macs(model, example).items():
        # By layer, because a weight that two layers share has one name only.
        weight = model.get_submodule(name.rpartition(".")[0]).weight
        assert isinstance(weight, Tensor)
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
    return {name: 1 - num_kept / dense[name] for name, num_kept in _count_kept(model, dense).items()}


def model_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> float:
    """Return the fraction (0 to 1) of all prunable weights that are zero or removed; see ``layer_sparsity``."""
    dense = dense or count_layer_weights(model)
    kept = _count_kept(model, dense)
    total = sum(dense[name] for name in kept)
    return 1 - sum(kept.values()) / total if total else 0.0


def _count_kept(model: nn.Module, names: Iterable[str]) -> dict[str, int]:
    """Return the number of values other than zero in each weight of ``names``.

    Layers that never run are left out: a traced network does not have them.
    """
    # A traced network may list the names of a shared weight in another order.
    every = dict(model.named_parameters(remove_duplicate=False)) | layer_weights(model)
    return {name: int(every[name].count_nonzero()) for name in names if name in every}


def layer_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return the MACs for one image by convolution and linear weight.

    ``example: [B, C, H, W]`` is an input of ``model``. Each weight is used once at every position of its layer's
    output. The layers are in the order in which they ran; a layer that ran several times counts at its last run.
    """
    macs: dict[str, int] = {}

    def count(name: str, module: nn.Module, output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        # Windows of a map may lie along the first axis too, so its length is not always the number of images.
        positions = output.numel() // (len(example) * weight.shape[0])
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
