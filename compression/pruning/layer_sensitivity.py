"""Sensitivity: what pruning one layer alone, without retraining, costs (Han et al., arXiv:1506.02626, figure 6)."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.criteria import Criterion
from compression.pruning.evidence import Evidence
from compression.pruning.granularities import Units


@dataclass(frozen=True)
class SensitivityTable:
    """Accuracy, in [0, 1], of a model with one layer (or group of channels) pruned: layer -> sparsity -> accuracy.

    ``kind`` is ``weights`` or ``channels``, ``sizes`` how many units each layer has, ``baseline`` the accuracy of the
    model as it is, on the same ``images`` held-out training images.
    """

    kind: str
    baseline: float
    images: int
    sizes: Mapping[str, int]
    accuracy: Mapping[str, Mapping[float, float]]

    def highest_sparsities(self, max_drop: float) -> dict[str, float]:
        """Return by layer the highest sparsity measured up to which no drop is above ``max_drop`` points; 0 if none."""
        return {name: _highest(row, self.baseline - max_drop / 100) for name, row in self.accuracy.items()}

    def check_fits(self, units: Mapping[str, int], *, kind: str, source: str) -> None:
        """Raise ``InputError`` if ``source``, where this table is from, is not about these units: of another model.

        Layers of the table that may not be pruned, being protected, are not missed.
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
    def from_json(cls, content: Mapping[str, Any], *, source: str = "the content") -> "SensitivityTable":
        """Return the table that ``to_json`` gave; raises ``InputError`` for anything else, naming ``source``."""
        try:
            accuracy = {
                name: {float(sparsity): float(value) for sparsity, value in row.items()}
                for name, row in content["accuracy"].items()
            }
            sizes = {name: int(size) for name, size in content["sizes"].items()}
            if not all(0 < s < 1 and 0 <= value <= 1 for row in accuracy.values() for s, value in row.items()):
                raise ValueError("sparsities must be in (0, 1), accuracies in [0, 1]")
            return cls(str(content["kind"]), float(content["baseline"]), int(content["images"]), sizes, accuracy)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source} is not a table of sensitivity: {type(error).__name__}: {error}") from error


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
    """Yield (layer, accuracy by sparsity), layer by layer but for those in ``skip``.

    The lowest scores of the layer go, all others stay; ``measure`` gives the accuracy of a network. The model itself
    is left as it is.
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
        # Beyond the first that costs too much, a better one is luck.
        if row[sparsity] < lowest - 1e-9:
            break
        highest = sparsity
    return highest
