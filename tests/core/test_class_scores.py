import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score
from torch import nn

from compression.core.accuracy import count_hits
from compression.core.class_scores import (
    MONITORS,
    Validated,
    choose_monitor,
    collect_confusions,
    count_predictions,
    describe_validated,
    find_monitored,
    score_confusions,
    validate_confusions,
)

# 10 images of class 0 (8 right), 2 of class 1 (1 right).
BY_HAND = torch.tensor([[8, 2], [1, 1]])


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        ("accuracy", 9 / 12),
        ("balanced_accuracy", (0.8 + 0.5) / 2),
        # 2 TP / (2 TP + FP + FN): 16 / 19 and 2 / 5.
        ("macro_f1", (16 / 19 + 2 / 5) / 2),
    ],
)
def test_scores_by_hand(monitor, expected):
    assert float(score_confusions(BY_HAND, monitor)) == pytest.approx(expected)


def test_a_class_without_images_counts_as_in_the_failure_analysis():
    # Class 2 has no image, but one image is taken for it; class 3 never occurs.
    matrix = torch.tensor([[3, 0, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert float(score_confusions(matrix, "balanced_accuracy")) == pytest.approx((0.75 + 1) / 2)
    assert float(score_confusions(matrix, "macro_f1")) == pytest.approx((6 / 7 + 1 + 0) / 3)


def test_scores_agree_with_scikit_learn():
    generator = torch.Generator().manual_seed(3)
    logits, labels = torch.randn(200, 5, generator=generator), torch.randint(0, 5, (200,), generator=generator)
    matrix = count_predictions(logits, labels, 5)
    predicted = logits.argmax(1)
    assert float(score_confusions(matrix, "balanced_accuracy")) == pytest.approx(
        balanced_accuracy_score(labels, predicted)
    )
    assert float(score_confusions(matrix, "macro_f1")) == pytest.approx(f1_score(labels, predicted, average="macro"))


def test_confusions_are_collected_over_batches():
    logits, labels = torch.eye(3)[[0, 1, 1, 2, 0]], torch.tensor([0, 1, 2, 2, 1])
    batches = list(zip(logits.split(2), labels.split(2), strict=True))
    matrix = collect_confusions(nn.Identity(), batches, 3)
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    hits, totals = count_hits(nn.Identity(), batches, 3)
    assert matrix.diagonal().tolist() == hits.tolist()
    # Exactly the accuracy from before there were other scores.
    assert float(score_confusions(matrix, "accuracy")) == float(hits.sum() / totals.sum())


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((10, 1), "balanced_accuracy"),
        ((99, 10), "accuracy"),
        ((100, 10), "balanced_accuracy"),
        ((952, 115, 32), "balanced_accuracy"),
        ((5000,) * 10, "accuracy"),
        # A class without images says nothing about the others.
        ((50, 0, 40), "accuracy"),
        ((50,), "accuracy"),
        ((), "accuracy"),
    ],
)
def test_balanced_accuracy_is_chosen_where_classes_are_ten_times_apart(counts, expected):
    assert choose_monitor(counts) == expected


def test_validated():
    plain, both = Validated(0.75), Validated(0.75, 0.65)
    assert (plain.monitored, both.monitored) == (0.75, 0.65)
    assert plain.to_results() == {"val_accuracy": 0.75}
    assert both.to_results() == {"val_accuracy": 0.75, "val_score": 0.65}
    assert (find_monitored(plain.to_results()), find_monitored(both.to_results())) == (0.75, 0.65)
    assert describe_validated(plain, "accuracy") == "accuracy 75.00 %"
    assert describe_validated(both, "macro_f1") == "accuracy 75.00 %, macro F1 65.00 %"
    assert validate_confusions(BY_HAND, "accuracy") == (0.75, None)
    assert validate_confusions(BY_HAND, "balanced_accuracy") == (0.75, pytest.approx(0.65))
    assert set(MONITORS) == {"accuracy", "balanced_accuracy", "macro_f1"}
