"""Global: one ranking of all weights of the model decides what is kept."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.allocations import check_floor, layer_floors
from compression.pruning.ranking import lowest


def global_num_kept(scores: Mapping[str, Tensor], *, num_kept: int, floor: float) -> dict[str, int]:
    """Return how many units each layer keeps when the ``num_kept`` highest scores of the complete model are kept.

    The highest scores of each layer, as many as its floor, are always kept. Without floors a layer can become empty at
    high sparsity (layer collapse, arXiv:2006.05467).
    """
    floors = layer_floors(scores, num_kept, floor)
    competing = []
    for name, score in scores.items():
        flat = score.flatten().to(torch.promote_types(score.dtype, torch.float32))
        below = lowest(flat, flat.numel() - floors[name])
        competing.append(torch.where(below, flat, torch.inf))
    everything = torch.cat(competing)
    pruned = lowest(everything, everything.numel() - num_kept)
    parts = pruned.split([score.numel() for score in scores.values()])
    return {name: part.numel() - int(part.sum()) for name, part in zip(scores, parts, strict=True)}


class Global:
    """Allocation by one ranking of all weights of the model, with a floor per output channel."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many units each layer keeps."""
        return global_num_kept(scores, num_kept=num_kept, floor=self.floor)
