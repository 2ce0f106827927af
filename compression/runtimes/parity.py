"""Whether a network that is executed in integers says what the one that simulates them says."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.runtimes.runtime import Predictor


@dataclass(frozen=True)
class Parity:
    """Simulated and executed arithmetic over the same ``images``.

    ``agreement``: fraction of images with the same most probable class. ``max_logit_difference`` and
    ``mean_logit_difference``: of absolute differences, over images and classes. ``worst_margin``: among images on which
    the two disagree, the most by which the simulated logit of its own class exceeds that of the executed one's; small
    where ties were broken, None if there are none. Accuracies are fractions.
    """

    images: int
    agreement: float
    max_logit_difference: float
    mean_logit_difference: float
    worst_margin: float | None
    accuracy_simulated: float
    accuracy_executed: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def compare_predictions(
    simulated: Predictor,
    *,
    executed: Predictor,
    batches: Iterable[tuple[NDArray[np.float32], NDArray[np.integer[Any]]]],
) -> Parity:
    """Run both over ``batches`` of images [B, 3, H, W] and labels [B], one batch in memory at a time.

    Equal logits count for the first class on both sides. Differences are taken in float64.
    """
    images = agreeing = right_simulated = right_executed = num_logits = 0
    largest, total = np.float64(0), np.float64(0)
    margins: list[np.float64] = []
    for batch, labels in batches:
        wanted, given = simulated(batch).astype(np.float64), executed(batch).astype(np.float64)
        assert wanted.shape == given.shape == (len(labels), wanted.shape[1]), (wanted.shape, given.shape, labels.shape)
        difference = np.abs(wanted - given)
        # np.maximum hands on a NaN, which max() would drop.
        largest = np.maximum(largest, difference.max())
        total, num_logits = total + difference.sum(), num_logits + difference.size
        chosen, executed_choice = wanted.argmax(axis=1), given.argmax(axis=1)
        rows = np.flatnonzero(chosen != executed_choice)
        margins += [*(wanted[rows, chosen[rows]] - wanted[rows, executed_choice[rows]])]
        images, agreeing = images + len(labels), agreeing + len(labels) - len(rows)
        right_simulated += int((chosen == labels).sum())
        right_executed += int((executed_choice == labels).sum())
    assert images > 0, "nothing to compare"
    return Parity(
        images=images,
        agreement=agreeing / images,
        max_logit_difference=float(largest),
        mean_logit_difference=float(total / num_logits),
        worst_margin=float(np.max(margins)) if margins else None,
        accuracy_simulated=right_simulated / images,
        accuracy_executed=right_executed / images,
    )
