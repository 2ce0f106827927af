"""Pruning masks, stored apart from the parameters; they keep pruned weights at exactly zero."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class MaskSet(Mapping[str, Tensor]):
    """Bool masks by parameter name, each of its parameter's shape; True means keep.

    Channel pruning also masks biases and normalization parameters. These masks keep zeros like any other, but they are
    not counted: sparsity refers to weights alone.

    A pruned weight stays zero if two things happen: weights and optimizer state are masked when the masks change, and
    gradients are masked at every step. Then momentum and moments of a pruned weight stay zero, and weight decay of
    zero is zero.
    """

    def __init__(self, masks: Mapping[str, Tensor]) -> None:
        for name, mask in masks.items():
            if mask.dtype != torch.bool:
                raise ValueError(f"mask of {name} is {mask.dtype}, must be torch.bool")
        self._masks = dict(masks)
        # The same masks as factors 0 and 1. Multiplying floats in one multi-tensor call keeps a step cheap.
        self._factors: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def num_weights(self) -> int:
        """Number of weights that have a mask, kept or pruned."""
        return sum(mask.numel() for mask in self._weights.values())

    @property
    def num_kept(self) -> int:
        """Number of weights that are kept."""
        return sum(int(mask.sum()) for mask in self._weights.values())

    @property
    def sparsity(self) -> float:
        """Fraction of weights that are pruned (0 to 1)."""
        return 1 - self.num_kept / self.num_weights

    @property
    def layer_sparsity(self) -> dict[str, float]:
        """Fraction of weights that are pruned (0 to 1), by parameter name."""
        return {name: 1 - int(mask.sum()) / mask.numel() for name, mask in self._weights.items()}

    @property
    def weight_names(self) -> list[str]:
        """Names of the weights that have a mask."""
        return list(self._weights)

    @property
    def _weights(self) -> dict[str, Tensor]:
        return {name: mask for name, mask in self.items() if mask.ndim > 1}

    def to(self, device: torch.device | str) -> "MaskSet":
        """Return a new mask set with the same masks on ``device``."""
        return MaskSet({name: mask.to(device) for name, mask in self.items()})

    @torch.no_grad()
    def mask_weights_(self, model: nn.Module) -> None:
        """Set pruned weights of ``model`` to zero."""
        parameters = dict(model.named_parameters())
        for name, mask in self.items():
            parameters[name].masked_fill_(~mask, 0)

    @torch.no_grad()
    def mask_gradients_(self, model: nn.Module) -> None:
        """Set gradients of pruned weights to zero, in one multi-tensor operation."""
        gradients, factors = [], []
        for name, parameter in model.named_parameters():
            if name in self._masks and parameter.grad is not None:
                gradients.append(parameter.grad)
                factors.append(self._factor(name, parameter.grad))
        if gradients:
            torch._foreach_mul_(gradients, factors)

    @torch.no_grad()
    def mask_optimizer_state_(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Set momentum and moments of pruned weights to zero, whatever their names in the optimizer.

        These are all state tensors that have the shape of their parameter.
        """
        for name, parameter in model.named_parameters():
            if name not in self._masks:
                continue
            for value in optimizer.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    value.masked_fill_(~self._masks[name], 0)

    def hold(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether every pruned weight of the state dict ``state`` is exactly zero."""
        return all(not state[name][~mask].any() for name, mask in self.items())

    def _factor(self, name: str, gradient: Tensor) -> Tensor:
        factor = self._factors.get(name)
        if factor is None or factor.dtype != gradient.dtype or factor.stride() != gradient.stride():
            factor = torch.empty_like(gradient).copy_(self._masks[name])
            self._factors[name] = factor
        return factor


def dense_masks(weights: Mapping[str, Tensor]) -> MaskSet:
    """Return masks that keep every weight."""
    return MaskSet({name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()})
