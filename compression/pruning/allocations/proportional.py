"""Proportional: what is kept is shared in given proportions, exactly and monotonically."""

from collections.abc import Mapping

import torch

from compression.pruning.ranking import lowest


def proportional_num_kept(
    sizes: Mapping[str, int], *, shares: Mapping[str, float], num_kept: int, floors: Mapping[str, int]
) -> dict[str, int]:
    """Return how many each layer keeps: ``num_kept`` in proportion to ``shares``, exact in sum.

    The i-th that a layer keeps has rank (i + 1/2) / share, and the lowest ranks of all layers are kept. No layer keeps
    more than its size, which leaves more to the others, nor fewer than its floor. Unlike rounding by largest remainder
    this is monotone: a smaller ``num_kept`` never gives a layer more. Of equal ranks the last in order are kept. A
    layer of share 0 keeps more than its floor only once all others are whole. Shares are not negative, floors are at
    most the sizes and together at most ``num_kept``.
    """
    ranks = []
    for name, size in sizes.items():
        rank = torch.arange(size, dtype=torch.float64).add(0.5).div(shares[name])
        rank[: floors[name]] = -torch.inf
        ranks.append(rank)
    total = sum(sizes.values())
    assert sum(floors.values()) <= num_kept <= total
    # By what is given up, not by what is kept: so that among equals the first in order go first, as everywhere.
    pruned = lowest(-torch.cat(ranks), total - num_kept).split(list(sizes.values()))
    return {name: part.numel() - int(part.sum()) for name, part in zip(sizes, pruned, strict=True)}
