import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from compression.core.label_loss import LabelLoss, balance_classes, focus, normalize_weights

# The chance of each label is 0.5, 0.8 and 0.1.
LOGITS = torch.tensor([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]).log()
LABELS = torch.tensor([0, 1, 1])


def test_plain_loss_is_cross_entropy_bit_for_bit():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(7, 4, generator=generator), torch.randint(0, 4, (7,), generator=generator)
    for smoothing in (0.0, 0.1):
        found = LabelLoss(label_smoothing=smoothing)(logits, labels)
        assert torch.equal(found, cross_entropy(logits, labels, label_smoothing=smoothing))


def test_weighted_loss_by_hand():
    loss = LabelLoss(weights=torch.tensor([1.0, 4.0]))
    expected = -(math.log(0.5) + 4 * math.log(0.8) + 4 * math.log(0.1)) / 3
    assert float(loss(LOGITS, LABELS)) == pytest.approx(expected)
    assert loss.weigh(LABELS).tolist() == [1, 4, 4]
    assert LabelLoss().weigh(LABELS) is None


def test_weights_with_label_smoothing_multiply_the_loss_of_an_image():
    weights = torch.tensor([1.0, 4.0])
    found = LabelLoss(label_smoothing=0.2, weights=weights)(LOGITS, LABELS)
    each = [cross_entropy(LOGITS[[i]], LABELS[[i]], label_smoothing=0.2) for i in range(3)]
    assert float(found) == pytest.approx(float(each[0] + 4 * each[1] + 4 * each[2]) / 3)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_loss_by_hand(gamma):
    expected = -sum((1 - p) ** gamma * math.log(p) for p in (0.5, 0.8, 0.1)) / 3
    assert float(LabelLoss(gamma=gamma)(LOGITS, LABELS)) == pytest.approx(expected)


def test_focal_loss_with_weights_by_hand():
    loss = LabelLoss(gamma=2.0, weights=torch.tensor([0.5, 3.0]))
    expected = -(0.5 * 0.25 * math.log(0.5) + 3 * 0.04 * math.log(0.8) + 3 * 0.81 * math.log(0.1)) / 3
    assert float(loss(LOGITS, LABELS)) == pytest.approx(expected)


def test_focal_loss_with_gamma_0_is_cross_entropy():
    torch.testing.assert_close(LabelLoss(gamma=0.0)(LOGITS, LABELS), cross_entropy(LOGITS, LABELS))


def test_focal_loss_agrees_with_torchvision():
    from torchvision.ops import sigmoid_focal_loss

    # Two classes with logits (0, x) are one sigmoid of x.
    x = torch.tensor([-3.0, 0.2, 1.5])
    logits = torch.stack([torch.zeros(3), x], dim=1)
    expected = sigmoid_focal_loss(x, LABELS.float(), alpha=-1, gamma=2.0, reduction="mean")
    torch.testing.assert_close(LabelLoss(gamma=2.0)(logits, LABELS), expected)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_is_finite_where_an_image_is_certain(gamma):
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    LabelLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert torch.isfinite(logits.grad).all()


def test_focus_keeps_a_certain_image_at_zero():
    assert focus(torch.tensor([0.0, math.log(2)]), gamma=1.0).tolist() == pytest.approx([0.0, 0.5 * math.log(2)])


def test_balanced_weights_by_hand():
    # n = 100, K = 3: 100 / (3 * 80), 100 / (3 * 15), 100 / (3 * 5).
    counts = torch.tensor([80, 15, 5])
    weights = balance_classes(counts)
    assert weights.tolist() == pytest.approx([100 / 240, 100 / 45, 100 / 15])
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1)
    assert balance_classes(torch.tensor([5, 5])).tolist() == [1, 1]


def test_balanced_weights_agree_with_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    labels = torch.repeat_interleave(torch.arange(4), torch.tensor([3, 40, 7, 1])).numpy()
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    assert balance_classes(torch.tensor([3, 40, 7, 1])).tolist() == pytest.approx(expected.tolist())


def test_a_class_without_images_has_weight_1():
    assert balance_classes(torch.tensor([30, 0, 10])).tolist() == pytest.approx([40 / 60, 1, 40 / 20])


def test_given_weights_are_1_on_average():
    weights = normalize_weights(torch.tensor([1.0, 5.0]), torch.tensor([90, 10]))
    # The mean was (90 + 50) / 100.
    assert weights.tolist() == pytest.approx([1 / 1.4, 5 / 1.4])
