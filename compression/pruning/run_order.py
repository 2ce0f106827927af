"""The order in which a run of a model uses its weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from compression.core.eval_mode import evaluating
from compression.core.selection import prunable_weights


def list_weight_reads(model: nn.Module, example: Tensor) -> list[str]:
    """Return the names of the prunable weights of ``model`` in the order in which a run in evaluation mode reads them.

    ``example: [B, C, H, W]`` is an input of ``model``. A weight that is read several times is there several times; one
    that is not read is not there.
    """
    reads = WeightReads(model)
    with evaluating(model), torch.no_grad(), reads:
        model(example)
    return reads.names


class WeightReads(TorchDispatchMode):
    """Inside the ``with`` block, records every operation that reads a prunable weight of ``model``.

    ``names`` are the weights in this order. An operation outside the forward of the weight's layer counts too.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.weights = {weight: name for name, weight in prunable_weights(model).items()}
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run one operation."""
        values = tree_leaves((args, kwargs or {}))
        self.names += [
            self.weights[value] for value in values if isinstance(value, nn.Parameter) and value in self.weights
        ]
        return func(*args, **(kwargs or {}))
