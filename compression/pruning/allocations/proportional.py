"""Division of a number among layers in given proportions, exact in sum and monotone."""

from collections.abc import Mapping

import torch

from compression.pruning.ranking import lowest


def proportional_num_kept(
    sizes: Mapping[str, int], *, shares: Mapping[str, float], num_kept: int, floors: Mapping[str, int]
) -> dict[str, int]:
    """Return how many units each layer keeps, in proportion to ``shares``; the sum is exactly ``num_kept``.

    The i-th unit of a layer (from 0) has rank (i + 1/2) / share, and the lowest ranks of all layers are kept. Among
    equal ranks the last in order are kept. A layer keeps at most its size and at least its floor. Unlike rounding by
    largest remainder this is monotone: with a smaller ``num_kept`` no layer keeps more. A layer with share 0 keeps more
    than its floor only if all others are complete. Shares must not be negative. A floor must not exceed its size, and
    the sum of floors must not exceed ``num_kept``.
    """
    ranks = []
    for name, size in sizes.items():
        rank = torch.arange(size, dtype=torch.float64).add(0.5).div(shares[name])
        rank[: floors[name]] = -torch.inf
        ranks.append(rank)
    total = sum(sizes.values())
    assert sum(floors.values()) <= num_kept <= total
    # Select the pruned units rather than the kept ones: then among equal ranks the first are pruned, as everywhere.
    pruned = lowest(-torch.cat(ranks), total - num_kept).split(list(sizes.values()))
    return {name: part.numel() - int(part.sum()) for name, part in zip(sizes, pruned, strict=True)}
