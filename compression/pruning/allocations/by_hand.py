"""By hand: given sparsities for some layers; the other layers share the rest uniformly."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.allocations import check_floor
from compression.pruning.allocations.proportional import proportional_num_kept
from compression.pruning.allocations.uniform import uniform_num_kept

KEY = "strategy.allocation.sparsities"
# Stands for all layers that no pattern matches. No layer has this name.
OTHERS = ""


def named_num_kept(sizes: Mapping[str, int], *, sparsities: Mapping[str, float]) -> dict[str, int]:
    """Return the final number of kept units of each layer that a pattern matches: ``n - round(s * n)``, at least 1.

    n is the size of the layer and s its sparsity. ``sparsities`` are by pattern; the first match counts. Raises
    ``InputError`` for a pattern that matches no layer.
    """
    for pattern in sparsities:
        if not any(fnmatchcase(name, pattern) for name in sizes):
            some = ", ".join(list(sizes)[:5]) + (", ..." if len(sizes) > 5 else "")
            raise InputError(f"{KEY}: {pattern!r} matches no layer; layers are {some}")
    matches = {name: next((s for p, s in sparsities.items() if fnmatchcase(name, p)), None) for name in sizes}
    return {name: max(1, sizes[name] - round(s * sizes[name])) for name, s in matches.items() if s is not None}


def by_hand_limits(sizes: Mapping[str, int], *, sparsities: Mapping[str, float]) -> tuple[int, int]:
    """Return the lowest and the highest number of units that all layers together can keep at the end.

    Layers that no pattern matches keep one unit each in the first case, and all units in the second.
    """
    named = named_num_kept(sizes, sparsities=sparsities)
    others = [size for name, size in sizes.items() if name not in named]
    return sum(named.values()) + len(others), sum(named.values()) + sum(others)


def by_hand_num_kept(
    scores: Mapping[str, Tensor], *, sparsities: Mapping[str, float], num_kept: int, final: int, floor: float
) -> dict[str, int]:
    """Return how many units each layer keeps when all together keep ``num_kept``, on the way to ``final``.

    At the end a named layer has its sparsity, and the others share the rest uniformly. Before that, all layers progress
    at the same rate: when the fraction f of all units to prune is removed, so is f of each named layer's part, and f of
    the part of the others together. Rounding is exact: the i-th removed unit of a part of n has rank (i + 1/2) / n, and
    the lowest ranks are removed. Raises ``InputError`` for a ``final`` that the sparsities of named layers rule out.
    """
    assert num_kept >= final
    sizes = {name: score.numel() for name, score in scores.items()}
    total = sum(sizes.values())
    fewest, most = by_hand_limits(sizes, sparsities=sparsities)
    if not fewest <= final <= most:
        # Enough digits that the shown sparsities round to the exact number of weights.
        low, high, asked = (f"{1 - count / total:.9g}" for count in (most, fewest, final))
        allowed = f"from {low} to {high}" if low != high else f"{low}, because they name all layers"
        raise InputError(f"{KEY}: with these a total of {asked} is out of reach: must be {allowed}")

    ends = named_num_kept(sizes, sparsities=sparsities)
    others = {name: score for name, score in scores.items() if name not in ends}
    num_others = sum(sizes[name] for name in others)
    parts = {name: sizes[name] - end for name, end in ends.items()} | {OTHERS: most - final}
    nothing = dict.fromkeys(parts, 0)
    gone = proportional_num_kept(parts, shares=parts, num_kept=total - num_kept, floors=nothing)
    kept = {name: sizes[name] - gone[name] for name in ends}
    if others:
        kept |= uniform_num_kept(others, num_kept=num_others - gone[OTHERS], floor=floor)
    return {name: kept[name] for name in scores}


class ByHand:
    """Allocation with given sparsities by pattern of layer names, such as ``layer1.*``; the first match counts.

    The other layers share the rest uniformly, each with at least ``floor`` weights per output channel.
    """

    def __init__(self, *, sparsities: Mapping[str, float], floor: float = 0.0) -> None:
        if not isinstance(sparsities, Mapping):
            raise InputError(f"{KEY}={sparsities}: must give a sparsity to each pattern of layer names")
        for pattern, sparsity in sparsities.items():
            if isinstance(sparsity, bool) or not isinstance(sparsity, (int, float)) or not 0 <= sparsity < 1:
                raise InputError(f"{KEY} {pattern}={sparsity}: must be in [0, 1)")
        self.sparsities, self.floor = dict(sparsities), check_floor(floor)

    def limits(self, scores: Mapping[str, Tensor]) -> tuple[int, int]:
        """Return the lowest and the highest possible ``final``."""
        return by_hand_limits({name: score.numel() for name, score in scores.items()}, sparsities=self.sparsities)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:
        """Return how many units each layer keeps.

        Raises ``InputError`` for a pattern that matches no layer and for a ``final`` that is out of reach.
        """
        return by_hand_num_kept(scores, sparsities=self.sparsities, num_kept=num_kept, final=final, floor=self.floor)
