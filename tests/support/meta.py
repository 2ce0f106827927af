"""Networks on the meta device, which need no memory for their weights."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def build_meta(factory: Callable[..., nn.Module], **kwargs: Any) -> nn.Module:
    """Return ``factory(**kwargs)`` on the meta device, which has shapes but no values."""
    with torch.device("meta"):
        return factory(**kwargs)


def num_weights(factory: Callable[..., nn.Module], **kwargs: Any) -> int:
    """Return the number of parameters of ``factory(**kwargs)``."""
    return sum(parameter.numel() for parameter in build_meta(factory, **kwargs).parameters())


def resolution(layers: nn.Module, size: int = 32) -> list[int]:
    """Return height and width of the output of ``layers`` for an image of ``size`` x ``size`` pixels."""
    return list(layers(torch.zeros(1, 3, size, size, device="meta")).shape[2:])
