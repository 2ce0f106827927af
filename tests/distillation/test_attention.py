"""Tests of attention transfer (arXiv:1612.03928) on tensors that are small enough to compute by hand."""

import pytest
import torch

from compression.distillation.attention import attention_loss, attention_map


def grid(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_attention_map_by_hand():
    """Two channels of 1x2 have squares 1, 4 and 9, 16, with means 5 and 10."""
    features = grid([[1.0, 2.0]], [[3.0, -4.0]])
    assert attention_map(features).tolist() == [[[[5.0, 10.0]]]]


def test_attention_loss_by_hand():
    """Normalized to length one, the student's map (3, 4) is (0.6, 0.8) and the teacher's (4, 3) is (0.8, 0.6)."""
    student, teacher = grid([[3**0.5, 2.0]]), grid([[2.0, -(3**0.5)]])
    assert float(attention_loss([student], [teacher])) == pytest.approx((0.2**2 + 0.2**2) / 2)
    # A second pair adds its own.
    total = attention_loss([student, student], [teacher, student])
    assert float(total) == pytest.approx(0.04)


def test_attention_loss_does_not_depend_on_channels_or_scale():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 3, 4, 4, generator=generator)
    teacher = 5 * torch.cat([student, student], 1)
    assert float(attention_loss([student], [teacher])) == pytest.approx(0, abs=1e-12)


def test_a_teacher_of_another_resolution_is_averaged():
    """2x2 squares 1, 3, 5, 7 are averaged to one row of two: (1+5)/2 = 3 and (3+7)/2 = 5."""
    teacher = grid([[1.0, 3.0], [5.0, 7.0]]).sqrt()
    student = grid([[3.0, 5.0]]).sqrt()
    assert float(attention_loss([student], [teacher])) == pytest.approx(0, abs=1e-12)
    # Repeated where the student has more positions.
    wide = grid([[3.0, 3.0, 5.0, 5.0]]).sqrt()
    assert float(attention_loss([wide], [student])) == pytest.approx(0, abs=1e-12)


def test_a_map_of_zeros_does_not_divide_by_zero():
    student = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = attention_loss([student], [torch.ones(1, 2, 2, 2)])
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.25)
    assert student.grad.isfinite().all()
