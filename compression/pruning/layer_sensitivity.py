"""Sensitivity: loss of accuracy when one layer alone is pruned, without retraining (arXiv:1506.02626, figure 6)."""

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
    """Accuracy of a model with one layer (or one group of channels) pruned, by layer and sparsity.

    ``kind`` is ``weights`` or ``channels``; ``sizes`` are their numbers by layer. ``baseline`` is the accuracy of the
    unchanged model. All accuracies are fractions (0 to 1), measured on the same ``images`` held-out training images.
    """

    kind: str
    baseline: _Accuracy
    images: Count
    sizes: Mapping[str, Count]
    accuracy: Mapping[str, Mapping[Annotated[float, Meta(gt=0, lt=1)], _Accuracy]]

    def highest_sparsities(self, max_drop: float) -> dict[str, float]:
        """Return the highest measured sparsity by layer up to which accuracy drops by at most ``max_drop`` points.

        A layer that no measured sparsity satisfies gets 0.
        """
        return {name: _highest(row, self.baseline - max_drop / 100) for name, row in self.accuracy.items()}

    def check_fits(self, units: Mapping[str, int], *, kind: str, source: str) -> None:
        """Raise ``InputError`` if this table was measured on another model or on another kind of unit.

        ``units`` are the sizes of the layers that may be pruned, by name. The table may contain further layers, such as
        protected ones. ``source`` names the origin of the table in the error.
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
    """Yield (layer, accuracy by sparsity) for each layer that is not in ``skip``.

    At each sparsity a copy of ``model`` loses the lowest scores of ``criterion`` in this one layer. ``measure`` returns
    the accuracy of a network as a fraction (0 to 1). ``model`` does not change.
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
        # A better accuracy at a sparsity beyond the first that costs too much is due to chance.
        if row[sparsity] < lowest - 1e-9:
            break
        highest = sparsity
    return highest
