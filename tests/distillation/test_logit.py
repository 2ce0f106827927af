"""Tests of the loss of Hinton et al., arXiv:1503.02531, against values and a gradient worked out by hand."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, one_hot, softmax

from compression.distillation.logit import mix_losses, soft_loss


def make_logits(seed=0, *, size=6, classes=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (3 * torch.randn(size, classes, generator=generator, dtype=dtype) for _ in range(2))
    return student, teacher, torch.randint(classes, (size,), generator=generator)


def both_losses(student, teacher, labels, *, alpha, temperature, label_smoothing=0.0):
    """Return the loss of a student's logits, mixed as ``Distillation`` mixes it."""
    hard = cross_entropy(student, labels, label_smoothing=label_smoothing)
    return mix_losses(soft_loss(student, teacher, temperature=temperature), hard, alpha=alpha)


def test_value_by_hand():
    """At T = 2, student logits (0, 0) give (1/2, 1/2) and teacher logits (2 ln 3, 0) give (3/4, 1/4); label 0."""
    student, teacher = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[2 * math.log(3), 0.0]]).double()
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    expected = 0.3 * 4 * divergence + 0.7 * math.log(2)
    assert expected == pytest.approx(0.6421775, abs=1e-7)
    loss = both_losses(student, teacher, torch.tensor([0]), alpha=0.3, temperature=2.0)
    assert float(loss) == pytest.approx(expected, rel=1e-7)


def test_mean_over_the_batch():
    student, teacher, labels = make_logits()
    settings = {"alpha": 0.9, "temperature": 4.0}
    rows = [
        both_losses(student[k : k + 1], teacher[k : k + 1], labels[k : k + 1], **settings) for k in range(len(labels))
    ]
    torch.testing.assert_close(both_losses(student, teacher, labels, **settings), torch.stack(rows).mean())


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_gradient_by_hand(alpha, temperature):
    student, teacher, labels = make_logits()
    student.requires_grad_()
    both_losses(student, teacher, labels, alpha=alpha, temperature=temperature).backward()
    soft = temperature * (softmax(student / temperature, 1) - softmax(teacher / temperature, 1))
    hard = softmax(student, 1) - one_hot(labels, student.shape[1])
    expected = (alpha * soft + (1 - alpha) * hard).detach() / len(labels)
    torch.testing.assert_close(student.grad, expected, rtol=1e-12, atol=1e-14)


def test_gradient_against_finite_differences():
    student, teacher, labels = make_logits(size=2, classes=3)
    student.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits: both_losses(logits, teacher, labels, alpha=0.7, temperature=3.0, label_smoothing=0.1),
        (student,),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_without_alpha_it_is_cross_entropy_bit_for_bit(smoothing):
    student, teacher, labels = make_logits(dtype=torch.float32)
    twin = student.clone().requires_grad_()
    student.requires_grad_()
    loss = both_losses(student, teacher, labels, alpha=0, temperature=4.0, label_smoothing=smoothing)
    plain = cross_entropy(twin, labels, label_smoothing=smoothing)
    assert torch.equal(loss, plain)
    loss.backward()
    plain.backward()
    assert torch.equal(student.grad, twin.grad)


def test_against_torchs_divergence_of_probabilities():
    student, teacher, labels = make_logits()
    log_student, teacher_probabilities = (student / 4).log_softmax(1), softmax(teacher / 4, 1)
    reference = 16 * kl_div(log_student, teacher_probabilities, reduction="batchmean")
    torch.testing.assert_close(soft_loss(student, teacher, temperature=4.0), reference)
    torch.testing.assert_close(both_losses(student, teacher, labels, alpha=1, temperature=4.0), reference)


def test_shifted_logits_have_no_loss():
    student, _, _ = make_logits()
    assert float(soft_loss(student, student + 7, temperature=4.0)) == pytest.approx(0, abs=1e-12)


def test_logits_far_apart_and_in_half_precision_stay_finite():
    student, teacher = torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]])
    assert soft_loss(student, teacher, temperature=1.0).isfinite()
    assert soft_loss(student.bfloat16(), teacher.bfloat16(), temperature=4.0).dtype == torch.float32
