"""What a model consists of, counted on the model itself."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from compression.core.selection import prunable_weights


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_nonzero_parameters(model: nn.Module) -> int:
    """Return the number of parameters that are not zero."""
    return sum(int(parameter.count_nonzero()) for parameter in model.parameters())


def count_macs(model: nn.Module, image_size: int) -> int:
    """Return the multiply-accumulates of one image; zeros count like any weight, as in a dense engine."""
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, image_size, image_size, device=device))
    return int(counter.get_total_flops()) // 2


def layer_sparsity(model: nn.Module) -> dict[str, float]:
    """Return the fraction of zeros of every prunable weight."""
    return {name: 1 - int(w.count_nonzero()) / w.numel() for name, w in prunable_weights(model).items()}


def model_sparsity(model: nn.Module) -> float:
    """Return the fraction of zeros among all prunable weights."""
    weights = prunable_weights(model).values()
    return 1 - sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)
