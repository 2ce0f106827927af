"""Tests of hints (arXiv:1412.6550) on tensors that are small enough to compute by hand."""

import pytest
import torch

from compression.distillation.hint import Hint


def grid(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def make_hint(*widths):
    return Hint(widths, generator=torch.Generator().manual_seed(1)).double()


def test_hint_by_hand():
    """The student channel (1, 2) and the regressor (2, -1) with bias (0, 1) give (2, 4) and (0, -1)."""
    hint = make_hint((1, 2))
    with torch.no_grad():
        hint.regressors[0].weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
        hint.regressors[0].bias.copy_(torch.tensor([0.0, 1.0]))
    student, teacher = grid([[1.0, 2.0]]), grid([[2.0, 3.0]], [[2.0, -1.0]])
    # Differences 0, 1, -2, 0.
    assert hint([student], [teacher]).item() == pytest.approx(5 / 4)


def test_a_hint_of_another_resolution_is_averaged():
    hint = make_hint((1, 1))
    with torch.no_grad():
        hint.regressors[0].weight.fill_(1)
    assert hint([grid([[4.0]])], [grid([[1.0, 3.0], [5.0, 7.0]])]).item() == pytest.approx(0)


def test_regressors_draw_only_from_their_generator():
    state = torch.get_rng_state()
    one, other = make_hint((4, 6), (2, 3)), make_hint((4, 6), (2, 3))
    assert torch.equal(torch.get_rng_state(), state)
    for first, second in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(first, second)
    assert [tuple(layer.weight.shape) for layer in one.regressors] == [(6, 4, 1, 1), (3, 2, 1, 1)]


def test_student_and_regressor_get_gradients_but_not_the_teacher():
    hint = make_hint((2, 3))
    student, teacher = (torch.randn(2, width, 2, 2).double().requires_grad_() for width in (2, 3))
    hint([student], [teacher.detach()]).backward()
    assert student.grad.any()
    assert hint.regressors[0].weight.grad.any()
    assert teacher.grad is None
