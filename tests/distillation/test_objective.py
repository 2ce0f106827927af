"""Tests of the loss of a batch against the sum of its parts, which have separate tests."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from compression.core.label_loss import LabelLoss
from compression.distillation.logit import soft_loss
from compression.distillation.objective import Distillation
from compression.distillation.teacher import Teacher
from compression.distillation.transfer import FeatureTransfer, make_transfer


class Net(nn.Module):
    def __init__(self, seed):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body, self.head = nn.Conv2d(3, 2 + seed, 1), nn.Linear(2 + seed, 4)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3)))


IMAGES = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(9))
LABELS = torch.tensor([0, 1, 2, 3, 0])


def mean_difference(mine, its):
    """Return the difference of the means of the only pair, as an example of a comparison."""
    return (mine[0].mean() - its[0].mean()).abs()


def test_parts_add_up():
    student, teacher = Net(0), Net(1)
    transfer = FeatureTransfer([("body", "body")], mean_difference, 3.0)
    objective = Distillation(
        Teacher(teacher), alpha=0.25, temperature=2.0, label_loss=LabelLoss(label_smoothing=0.1), transfer=transfer
    )
    objective.attach(student)
    logits = student(IMAGES)
    found = objective(IMAGES, logits, LABELS)
    hard = cross_entropy(logits, LABELS, label_smoothing=0.1)
    soft = soft_loss(logits, teacher(IMAGES), temperature=2.0)
    apart = (student.body(IMAGES).mean() - teacher.body(IMAGES).mean()).abs()
    torch.testing.assert_close(found["cross_entropy"], hard.detach())
    torch.testing.assert_close(found["distillation_loss"], soft.detach())
    torch.testing.assert_close(found["feature_loss"], apart.detach())
    torch.testing.assert_close(found["loss"], 0.25 * soft + 0.75 * hard + 3 * apart)
    assert [name for name, part in found.items() if part.requires_grad] == ["loss"]


def test_without_a_transfer_the_loss_has_two_parts():
    student = Net(0)
    objective = Distillation(Teacher(Net(1)), alpha=0.5, temperature=1.0)
    objective.attach(student)
    assert set(objective(IMAGES, student(IMAGES), LABELS)) == {"loss", "cross_entropy", "distillation_loss"}
    assert not any(module._forward_hooks for module in student.modules())


def test_class_weights_multiply_both_terms_of_each_image():
    student, teacher = Net(0), Net(1)
    loss = LabelLoss(weights=torch.tensor([0.5, 3.0, 1.0, 2.0]))
    objective = Distillation(Teacher(teacher), alpha=0.25, temperature=2.0, label_loss=loss)
    logits, taught = student(IMAGES), teacher(IMAGES)
    found = objective(IMAGES, logits, LABELS)
    parts = []
    for weight, mine, its, label in zip([0.5, 3.0, 1.0, 2.0, 0.5], logits, taught, LABELS, strict=True):
        soft = soft_loss(mine[None], its[None], temperature=2.0)
        parts.append(weight * (0.25 * soft + 0.75 * cross_entropy(mine[None], label[None])))
    torch.testing.assert_close(found["loss"], torch.stack(parts).mean())


def test_the_focal_factor_is_of_the_labels_alone():
    student, teacher = Net(0), Net(1)
    objective = Distillation(Teacher(teacher), alpha=0.25, temperature=2.0, label_loss=LabelLoss(gamma=2.0))
    logits = student(IMAGES)
    found = objective(IMAGES, logits, LABELS)
    chance = logits.softmax(1)[range(5), LABELS]
    hard = (-((1 - chance) ** 2) * chance.log()).mean()
    torch.testing.assert_close(found["cross_entropy"], hard.detach())
    torch.testing.assert_close(found["loss"], 0.25 * soft_loss(logits, teacher(IMAGES), temperature=2.0) + 0.75 * hard)


def test_detach_leaves_no_hook():
    student, teacher = Net(0), Net(1)
    transfer = FeatureTransfer([("body", "body")], mean_difference, 1.0)
    objective = Distillation(Teacher(teacher), alpha=0.5, temperature=1.0, transfer=transfer)
    for _ in range(2):
        objective.attach(student)
        assert student.body._forward_hooks
        assert teacher.body._forward_hooks
        objective.detach()
        assert not any(module._forward_hooks for net in (student, teacher) for module in net.modules())


@pytest.mark.parametrize(("kind", "learned"), [("attention", 0), ("hint", 2)])
def test_only_hints_have_parameters_to_train(kind, learned):
    shapes = {"student": {"body": (5, 2, 4, 4)}, "teacher": {"body": (5, 3, 4, 4)}}
    transfer = make_transfer(kind, [("body", "body")], **shapes, generator=torch.Generator().manual_seed(0))
    objective = Distillation(Teacher(Net(1)), alpha=0.5, temperature=1.0, transfer=transfer)
    student = Net(0)
    objective.attach(student)
    objective(IMAGES, student(IMAGES), LABELS)["loss"].backward()
    own = list(objective.learned.parameters())
    assert len(own) == learned
    assert all(parameter.grad is not None for parameter in [*own, *student.parameters()])
