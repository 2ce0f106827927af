"""Sensitivity: the cost of pruning one layer alone, without retraining (Han et al., arXiv:1506.02626, figure 6)."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from msgspec import Meta
from torch import nn

from compression.core.errors import InputError
from compression.core.json_record import Count, convert_record
from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.criteria import Criterion
from compression.pruning.evidence import Evidence
from compression.pruning.granularities import Units

_Accuracy = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class SensitivityTable:
    """Accuracy, in [0, 1], of a model with one layer (or group of channels) pruned: layer -> sparsity -> accuracy.

    ``kind`` is ``weights`` or ``channels``, ``sizes`` the number of units of each layer, ``baseline`` the accuracy of
    the unpruned model, on the same ``images`` held-out training images.
    """

    kind: str
    baseline: _Accuracy
    images: Count
    sizes: Mapping[str, Count]
    accuracy: Mapping[str, Mapping[Annotated[float, Meta(gt=0, lt=1)], _Accuracy]]

    def highest_sparsities(self, max_drop: float) -> dict[str, float]:
        """Return by layer the highest measured sparsity up to which no drop is above ``max_drop`` points, or 0."""
        return {name: _highest(row, self.baseline - max_drop / 100) for name, row in self.accuracy.items()}

    def check_fits(self, units: Mapping[str, int], *, kind: str, source: str) -> None:
        """Raise ``InputError`` if this table, which ``source`` holds, is not about these units but another model's.

        The table may have more layers: protected ones, which are not pruned.
        """
        if self.kind != kind:
            raise InputError(f"{source} is about {self.kind}: must be about {kind}, which this strategy prunes")
        for name, size in units.items():
            if self.sizes.get(name) != size or name not in self.accuracy:
                raise InputError(
                    f"{source} is of another model: {name} has {self.sizes.get(name, 'no')} {self.kind} there and "
                    f"{size} here"
                )

    def to_json(self) -> dict[str, Any]:
        """Return plain containers; sparsities become text, as keys of JSON are."""
        accuracy = {name: {f"{s:g}": value for s, value in row.items()} for name, row in self.accuracy.items()}
        return {**asdict(self), "sizes": dict(self.sizes), "accuracy": accuracy}

    @classmethod
    def from_json(cls, content: Any, *, source: str = "the content") -> "SensitivityTable":
        """Return the table that ``to_json`` gave; raises ``InputError`` for anything else, naming ``source``."""
        return convert_record(content, cls, source=f"{source} is not a table of sensitivity")


def measure_sensitivity(
    model: nn.Module,
    *,
    units: Units,
    criterion: Criterion,
    evidence: Evidence,
    sparsities: Sequence[float],
    measure: Callable[[nn.Module], float],
    skip: Sequence[str] = (),
) -> Iterator[tuple[str, dict[float, float]]]:
    """Yield (layer, accuracy by sparsity) for every layer that is not in ``skip``.

    The units of the layer with the lowest scores are pruned, all others stay. ``measure`` returns the accuracy of a
    network. The model itself is not changed.
    """
    scores = units.reduce(criterion(prunable_weights(model), evidence=evidence))
    sizes = {name: score.numel() for name, score in scores.items()}
    for name in scores:
        if name in skip:
            continue
        row = {}
        for sparsity in sparsities:
            num_kept = sizes | {name: max(1, sizes[name] - round(sparsity * sizes[name]))}
            pruned = copy.deepcopy(model)
            MaskSet(units.masks(scores, num_kept)).mask_weights_(pruned)
            row[sparsity] = measure(pruned)
        yield name, row


def _highest(row: Mapping[float, float], lowest: float) -> float:
    highest = 0.0
    for sparsity in sorted(row):
        # A better accuracy beyond the first drop that is too large is luck.
        if row[sparsity] < lowest - 1e-9:
            break
        highest = sparsity
    return highest
