import itertools
import math

import numpy as np
import pytest

from compression.runtimes.parity import Parity, compare_logits

SIMULATED = np.array([[1, 0, 0], [0, 2, 1], [3, 3, 0], [0, 0, 1]], dtype=np.float32)
EXECUTED = np.array([[1, 0.5, 0], [0, 2, 2.25], [3, 3, 0], [0, 0, 1]], dtype=np.float32)


LABELS = np.array([0, 1, 1, 2])


def compare(simulated, executed, sizes=(3, 1)):
    """Compare the logits in batches of ``sizes`` images."""
    ends = np.cumsum((0, *sizes))
    rows = [slice(*span) for span in itertools.pairwise(ends)]
    return compare_logits((simulated[row], executed[row], LABELS[row]) for row in rows)


@pytest.mark.parametrize("sizes", [(4,), (3, 1), (1, 1, 1, 1)])
def test_by_hand(sizes):
    # The second image is another class by 2.25 to 2; the third is a tie, which goes to class 0 on both sides.
    assert compare(SIMULATED, EXECUTED, sizes=sizes) == Parity(
        images=4,
        agreement=0.75,
        max_logit_difference=1.25,
        mean_logit_difference=1.75 / 12,
        # 0.5 and 1.25 of 12 logits; squares 0.25 + 1.5625 over 1 + 5 + 18 + 1.
        logits=12,
        differing_logits=2,
        relative_logit_error=pytest.approx(math.sqrt(1.8125 / 25)),
        worst_margin=1.0,
        accuracy_simulated=0.75,
        accuracy_executed=0.5,
    )


def test_the_same():
    parity = compare(SIMULATED, SIMULATED)
    assert (parity.agreement, parity.max_logit_difference, parity.worst_margin) == (1.0, 0.0, None)
    assert parity.to_json()["images"] == 4


def test_equal_classes_do_not_hide_different_logits():
    parity = compare(SIMULATED, np.float32(1.25) * SIMULATED)
    assert (parity.agreement, parity.differing_logits, parity.logits) == (1.0, 6, 12)
    assert parity.relative_logit_error == 0.25


def test_an_error_relative_to_zero_is_not_known():
    zeros = np.zeros_like(SIMULATED)
    assert compare(zeros, EXECUTED).relative_logit_error is None
    assert compare(zeros, zeros).relative_logit_error == 0.0


def test_nan_is_not_lost():
    broken = EXECUTED.copy()
    broken[0, 1] = np.nan
    parity = compare(SIMULATED, broken)
    assert math.isnan(parity.max_logit_difference)
    assert math.isnan(parity.relative_logit_error)
    assert parity.differing_logits == 2
    assert parity.agreement == 0.5


def test_nothing_to_compare():
    with pytest.raises(AssertionError, match="nothing to compare"):
        compare(SIMULATED, EXECUTED, sizes=())
