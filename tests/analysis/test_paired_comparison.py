import numpy as np
import pytest
from sample_predictions import exact_predictions, random_predictions, related_predictions
from scipy.stats import binom

from compression.analysis.paired_comparison import (
    ConfusionChange,
    compare_accuracy,
    compare_classes,
    compare_confusions,
    find_flips,
    mcnemar_p_value,
)
from compression.core.errors import InputError


def test_mcnemar_by_hand():
    # 2 (1 + 14 + 91 + 364 + 1001) / 2^14
    assert mcnemar_p_value(worsened=10, improved=4) == pytest.approx(2942 / 16384)
    assert mcnemar_p_value(worsened=4, improved=10) == pytest.approx(2942 / 16384)
    assert mcnemar_p_value(worsened=6, improved=0) == pytest.approx(2 / 64)
    assert mcnemar_p_value(worsened=3, improved=3) == 1
    assert mcnemar_p_value(worsened=0, improved=0) == 1


def test_mcnemar_agrees_with_the_binomial_distribution():
    for worsened, improved in [(40, 20), (7, 31), (500, 600)]:
        expected = 2 * binom.cdf(min(worsened, improved), worsened + improved, 0.5)
        assert mcnemar_p_value(worsened=worsened, improved=improved) == pytest.approx(expected)


def test_flips_by_hand():
    labels = [0, 0, 1, 1, 1]
    dense = exact_predictions(labels, [0, 0, 0, 1, 0], confidence=[0.9, 0.8, 0.6, 0.9, 0.7], names="ab")
    compressed = exact_predictions(labels, [1, 1, 1, 1, 1], confidence=[0.6, 0.7, 0.9, 0.9, 0.9], names="ab")
    flips = find_flips(dense, compressed)
    # The most confident wrong prediction comes first, of either model.
    assert flips.worsened.tolist() == [1, 0]
    assert flips.improved.tolist() == [4, 2]
    assert compare_accuracy(dense, compressed).value == 0
    assert compare_confusions(dense, compressed, limit=5) == [ConfusionChange(0, 1, 0, 2), ConfusionChange(1, 0, 2, 0)]
    assert compare_confusions(dense, compressed, limit=1) == [ConfusionChange(0, 1, 0, 2)]


def test_classes_by_hand():
    # All are right before. Then a loses 6 of 20 images, b 1 of 20, c 9 of 20; d has no image.
    labels = np.repeat([0, 1, 2], 20)
    after = labels.copy()
    after[:6], after[20:21], after[40:49] = 3, 3, 3
    dense, compressed = (exact_predictions(labels, predicted, names="abcd") for predicted in (labels, after))
    found = compare_classes(dense, compressed)
    assert [one.index for one in found] == [2, 0, 1]
    assert [one.change.value for one in found] == [-9 / 20, -6 / 20, -1 / 20]
    assert [(one.worsened, one.improved, one.images) for one in found] == [(9, 0, 20), (6, 0, 20), (1, 0, 20)]
    assert [one.p_value for one in found] == pytest.approx([2 / 512, 2 / 64, 1])
    # Benjamini and Hochberg: the smallest times 3/1, the next times 3/2, the last times 3/3.
    assert [one.p_corrected for one in found] == pytest.approx([6 / 512, 3 / 64, 1])


def test_changes_add_up():
    dense = random_predictions(images=1000, classes=7)
    compressed = related_predictions(dense, noise=0.7)
    overall, classes = compare_accuracy(dense, compressed), compare_classes(dense, compressed)
    assert overall.value == pytest.approx(compressed.correct.mean() - dense.correct.mean())
    assert sum(one.change.value * one.images for one in classes) == pytest.approx(1000 * overall.value)
    assert all(one.change.low <= one.change.value <= one.change.high for one in classes)
    assert all(one.p_value <= one.p_corrected <= 1 for one in classes)


def test_models_that_cannot_be_compared_are_refused():
    dense = exact_predictions([0, 1], [0, 1], names="ab")
    with pytest.raises(InputError, match="different class names"):
        find_flips(dense, exact_predictions([0, 1], [0, 1], names="ba"))
    with pytest.raises(InputError, match="not run on the same images"):
        find_flips(dense, exact_predictions([1, 1], [0, 1], names="ab"))
