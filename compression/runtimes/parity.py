"""Parity: the agreement of a network that is executed in integers with the network that simulates them."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Parity:
    """A comparison of simulated and executed arithmetic on the same ``images``.

    - ``agreement``: the fraction of images with the same predicted class.
    - ``max_logit_difference``, ``mean_logit_difference``: of absolute differences, over images and classes.
    - ``logits``, ``differing_logits``: how many there are, over images and classes, and how many are not equal.
    - ``relative_logit_error``: the norm of all differences over the norm of all simulated logits. It is None if these
      are all zero and the executed ones are not.
    - ``worst_margin``: for images with different predictions, how far the simulated logit of the simulated prediction
      exceeds the simulated logit of the executed prediction, at most. It is small if only near-ties were broken
      differently, and None if all predictions agree.
    - ``accuracy_simulated``, ``accuracy_executed``: fractions.
    """

    images: int
    agreement: float
    max_logit_difference: float
    mean_logit_difference: float
    logits: int
    differing_logits: int
    relative_logit_error: float | None
    worst_margin: float | None
    accuracy_simulated: float
    accuracy_executed: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary of plain values."""
        return asdict(self)


def compare_logits(
    batches: Iterable[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.integer[Any]]]],
) -> Parity:
    """Compare simulated logits [B, C] with executed logits [B, C] on images with the labels [B], batch by batch.

    Among equal logits the first class is the prediction, on both sides. Differences are computed in float64.
    """
    images = agreeing = right_simulated = right_executed = num_logits = differing = 0
    largest, total, squares, error = (np.float64(0) for _ in range(4))
    margins: list[np.float64] = []
    for simulated, executed, labels in batches:
        wanted, given = simulated.astype(np.float64), executed.astype(np.float64)
        assert wanted.shape == given.shape == (len(labels), wanted.shape[1]), (wanted.shape, given.shape, labels.shape)
        difference = np.abs(wanted - given)
        # np.maximum propagates NaN; max() might drop it.
        largest = np.maximum(largest, difference.max())
        total, num_logits = total + difference.sum(), num_logits + difference.size
        # A NaN on one side alone is a difference too.
        differing += int((~np.equal(wanted, given) & ~(np.isnan(wanted) & np.isnan(given))).sum())
        squares, error = squares + np.square(wanted).sum(), error + np.square(difference).sum()
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
        logits=num_logits,
        differing_logits=differing,
        relative_logit_error=_relate(float(error), float(squares)),
        worst_margin=float(np.max(margins)) if margins else None,
        accuracy_simulated=right_simulated / images,
        accuracy_executed=right_executed / images,
    )


def _relate(error: float, squares: float) -> float | None:
    """Return the relative error of two sums of squares; None if only the reference is zero."""
    return math.sqrt(error / squares) if squares else None if error else 0.0
