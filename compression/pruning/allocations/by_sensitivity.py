"""By sensitivity: layers that lose less accuracy when pruned alone become sparser (Han et al., arXiv:1506.02626)."""

import copy
from collections.abc import Mapping

from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.allocations import check_floor, layer_floors
from compression.pruning.allocations.proportional import proportional_num_kept


def by_sensitivity_num_kept(
    scores: Mapping[str, Tensor], *, sparsities: Mapping[str, float], num_kept: int, floor: float
) -> dict[str, int]:
    """Return how many units each layer keeps: density proportional to ``1 - sparsities[name]``, at most 1.

    The share of a layer of n units and sparsity s is thus ``n * (1 - s)``. Raises ``InputError`` for a layer without a
    sparsity.
    """
    missing = [name for name in scores if name not in sparsities]
    if missing:
        raise InputError(f"sensitivity of {missing[0]} is missing: it was measured on another model or granularity")
    sizes = {name: score.numel() for name, score in scores.items()}
    shares = {name: size * (1 - sparsities[name]) for name, size in sizes.items()}
    return proportional_num_kept(sizes, shares=shares, num_kept=num_kept, floors=layer_floors(scores, num_kept, floor))


class BySensitivity:
    """Allocation by the highest sparsity at which pruning a layer alone costs at most ``max_drop`` points of accuracy.

    ``file`` names an earlier measurement; None requests a new one. The code that runs the strategy reads or makes the
    measurement and passes it to ``measured``. Until then the allocation is uniform.
    """

    def __init__(self, *, max_drop: float, floor: float = 0.0, file: str | None = None) -> None:
        # A NaN is not >= 0 either.
        if isinstance(max_drop, bool) or not isinstance(max_drop, (int, float)) or not max_drop >= 0:
            raise InputError(f"strategy.allocation.max_drop={max_drop}: must be >= 0 points")
        self.max_drop, self.floor, self.file = max_drop, check_floor(floor), file
        self.sparsities: Mapping[str, float] | None = None

    @property
    def needs_sensitivity(self) -> bool:
        """True: the sensitivity of the layers must be measured before pruning."""
        return True

    def measured(self, sparsities: Mapping[str, float]) -> "BySensitivity":
        """Return a copy that allocates by ``sparsities``: the measured highest sparsity of each layer.

        Raises ``InputError`` for a sparsity outside [0, 1].
        """
        for name, sparsity in sparsities.items():
            if not 0 <= sparsity <= 1:
                raise InputError(f"sensitivity of {name}={sparsity}: must be in [0, 1]")
        result = copy.copy(self)
        result.sparsities = dict(sparsities)
        return result

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many units each layer keeps."""
        sparsities = dict.fromkeys(scores, 0.0) if self.sparsities is None else self.sparsities
        return by_sensitivity_num_kept(scores, sparsities=sparsities, num_kept=num_kept, floor=self.floor)
