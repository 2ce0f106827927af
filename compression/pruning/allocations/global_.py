"""Global: all weights of the model compete with each other."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.allocations import check_floor, count_kept, layer_floors
from compression.pruning.ranking import lowest


def global_num_kept(scores: Mapping[str, Tensor], sparsity: float, *, floor: float) -> dict[str, int]:
    """Return the kept weights per layer when the lowest scores of the whole model are pruned.

    The highest scores of each layer, as many as its floor, do not compete: without them a layer can be emptied at
    high sparsity (layer collapse, arXiv:2006.05467).
    """
    kept = count_kept(scores, sparsity)
    floors = layer_floors(scores, kept, floor)
    competing = []
    for name, score in scores.items():
        flat = score.flatten().float()
        below = lowest(flat, flat.numel() - floors[name])
        competing.append(torch.where(below, flat, torch.inf))
    everything = torch.cat(competing)
    pruned = lowest(everything, everything.numel() - kept)
    parts = pruned.split([score.numel() for score in scores.values()])
    return {name: part.numel() - int(part.sum()) for name, part in zip(scores, parts, strict=True)}


class Global:
    """Shares the target by ranking all weights of the model together."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], sparsity: float) -> dict[str, int]:
        """Return kept weights per layer."""
        return global_num_kept(scores, sparsity, floor=self.floor)
