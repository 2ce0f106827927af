"""What a model consists of, counted on the model itself."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE, HoldsIntegers, device_of, layer_weights, learned_values


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(value.numel() for value in learned_values(model))


def count_nonzero_parameters(model: nn.Module) -> int:
    """Return the number of parameters that are not zero."""
    return sum(int(value.count_nonzero()) for value in learned_values(model))


def count_macs(model: nn.Module, image_size: int) -> int:
    """Return the multiply-accumulates of one image; zeros count like any weight, as in a dense engine."""
    with evaluating(model), FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, image_size, image_size, device=device_of(model)))
    return int(counter.get_total_flops()) // 2


def count_layer_weights(model: nn.Module) -> dict[str, int]:
    """Return the number of weights, zeros too, by prunable weight."""
    return {name: weight.numel() for name, weight in layer_weights(model).items()}


def layer_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> dict[str, float]:
    """Return the fraction of every prunable weight that is zero, or gone.

    ``dense`` are the layers' weights before anything was removed: ``count_layer_weights`` of the dense model, of
    ``model`` itself if left out.
    """
    dense = dense or count_layer_weights(model)
    weights = layer_weights(model)
    return {name: 1 - int(weights[name].count_nonzero()) / size for name, size in dense.items()}


def model_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> float:
    """Return the fraction of all prunable weights that is zero, or gone; ``dense`` as in ``layer_sparsity``."""
    total = sum((dense or count_layer_weights(model)).values())
    return 1 - sum(int(weight.count_nonzero()) for weight in layer_weights(model).values()) / total


def layer_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return the multiply-accumulates of one image by convolution and linear weight.

    ``example: [B, 3, H, W]``. Each weight is used once at every position of its layer's output. The layers stand in the
    order in which they ran last.
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
