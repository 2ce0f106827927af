import pytest
import torch

from compression.tasks.class_score import ClassScore


def test_scores_of_all_batches_count_together():
    metric = ClassScore(3, monitor="balanced_accuracy")
    metric(torch.eye(3)[[0, 0]], torch.tensor([0, 1]))
    metric(torch.eye(3)[[1, 0]], torch.tensor([1, 0]))
    # Recalls 1 and 0.5; class 2 has no image. The mean of the batches would be 0.875.
    assert float(metric.compute()) == pytest.approx(0.75)
    metric.reset()
    metric(torch.eye(3)[[2]], torch.tensor([2]))
    assert float(metric.compute()) == 1


def test_macro_f1():
    metric = ClassScore(2, monitor="macro_f1")
    metric(torch.eye(2)[[0, 0, 1]], torch.tensor([0, 1, 1]))
    assert float(metric.compute()) == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_no_state_is_saved():
    assert ClassScore(2, monitor="macro_f1").state_dict() == {}
