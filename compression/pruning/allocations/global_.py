"""Global: all weights of the model compete with each other."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.allocations import check_floor, min_kept, num_pruned_in_all
from compression.pruning.ranking import lowest


def global_num_kept(scores: Mapping[str, Tensor], sparsity: float, *, floor: float) -> dict[str, int]:
    """Return the kept weights per layer when the lowest scores of the whole model are pruned.

    The highest ``ceil(floor * n)`` of each layer (one at least) do not compete: without them a layer can be
    emptied at high sparsity (layer collapse, arXiv:2006.05467).
    """
    wanted = num_pruned_in_all(scores, sparsity, floor)
    competing = []
    for score in scores.values():
        flat = score.flatten().float()
        below = lowest(flat, flat.numel() - min_kept(flat.numel(), floor))
        competing.append(torch.where(below, flat, torch.inf))
    pruned = lowest(torch.cat(competing), wanted)
    parts = pruned.split([score.numel() for score in scores.values()])
    return {name: part.numel() - int(part.sum()) for name, part in zip(scores, parts, strict=True)}


class Global:
    """Shares the target by ranking all weights of the model together."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], sparsity: float) -> dict[str, int]:
        """Return kept weights per layer."""
        return global_num_kept(scores, sparsity, floor=self.floor)
