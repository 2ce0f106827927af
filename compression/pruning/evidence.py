"""Inputs of a criterion other than the weights: model, example, generator and gradients of training images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.core.selection import prunable_weights

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Evidence:
    """Everything besides the weights that a criterion or a regrowth may use.

    ``example: [B, C, H, W]`` shows the shape of an input; its values have no meaning. ``batches`` yield training images
    as (``images: [B, C, H, W]``, ``labels: [B]``) on the model's device, or are None. ``turn`` counts earlier uses of
    ``batches``, so that each use of equally many gets other batches.
    """

    model: nn.Module
    example: Tensor
    generator: torch.Generator
    batches: Iterable[Batch] | None = None
    turn: int = 0

    def gradients(self, num_batches: int) -> Iterator[dict[str, Tensor]]:
        """Yield, for each of ``num_batches`` batches, the gradients of the mean cross-entropy by prunable weight.

        Pruned weights have a gradient too. Batch norm uses batch statistics, as in training; dropout is off. The model,
        its ``.grad`` and random states do not change. Raises ``InputError`` if there are no training images.
        """
        if self.batches is None or next(iter(self.batches), None) is None:
            raise InputError("this criterion needs gradients, and there are no training images: give `batches`")
        first = self.turn * num_batches
        for images, labels in islice(_repeat(self.batches), first, first + num_batches):
            yield self._gradient(images, labels)

    def _gradient(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        weights = prunable_weights(self.model)
        # A network may keep some of its weights fixed.
        learning = [weight for weight in weights.values() if weight.requires_grad]
        if not learning:
            raise InputError(
                "this criterion needs gradients, and no weight of the network learns: requires_grad is off"
            )
        tracking = [m for m in self.model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        with evaluating(self.model), torch.enable_grad():
            for layer in tracking:
                layer.train()
                layer.track_running_stats = False
            try:
                loss = cross_entropy(self.model(images), labels)
                slopes = iter(torch.autograd.grad(loss, learning, allow_unused=True))
            finally:
                for layer in tracking:
                    layer.track_running_stats = True
        found = {name: next(slopes) if weight.requires_grad else None for name, weight in weights.items()}
        return {
            name: torch.zeros_like(weights[name]) if slope is None else slope.detach() for name, slope in found.items()
        }


def _repeat(batches: Iterable[Batch]) -> Iterator[Batch]:
    while True:
        yield from batches
