"""Re-estimate batch-norm statistics, which go stale when weights are pruned or rounded."""

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def reestimate_batch_norm_(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], num_batches: int) -> None:
    """Replace running statistics by the plain average over the first ``num_batches`` of ``batches``.

    Only batch-norm layers run in training mode meanwhile, so dropout draws nothing. A model without batch
    norm, or ``num_batches`` of 0, is left as it is. ``batches`` give (images ``[B, 3, H, W]``, labels).
    """
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers or num_batches == 0:
        return
    training = {module: module.training for module in model.modules()}
    momenta = [layer.momentum for layer in layers]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for a cumulative average
        layer.train()
    for images, _ in islice(batches, num_batches):
        model(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    for module, was_training in training.items():
        module.training = was_training
