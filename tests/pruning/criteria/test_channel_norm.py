"""Tests of the channel norm, which scores all weights of an output channel equally."""

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.pruning.criteria.channel_norm import ChannelNorm, channel_norm_scores
from compression.pruning.evidence import Evidence


def make_evidence(model):
    return Evidence(model=model, example=torch.zeros(1, 3, 8, 8), generator=make_generator(0))


def test_channel_norm_literals():
    weight = torch.tensor([[3.0, -4.0], [0.0, 1.0]])
    assert channel_norm_scores(weight, p=1).tolist() == [[7, 7], [1, 1]]
    assert channel_norm_scores(weight, p=2).tolist() == [[5, 5], [1, 1]]
    filters = torch.ones(2, 2, 2, 2) * torch.tensor([1.0, -2.0]).view(2, 1, 1, 1)
    assert channel_norm_scores(filters, p=1)[:, 1, 0, 1].tolist() == [8, 16]
    assert channel_norm_scores(filters, p=2)[:, 0, 1, 1].tolist() == pytest.approx([8**0.5, 32**0.5])


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("shape", [(5, 3, 3, 3), (4, 1, 3, 3), (6, 7), (3, 2, 5)])
def test_channel_norm_equals_that_of_torch(p, shape):
    weight = torch.randn(shape, generator=make_generator(1))
    scores = channel_norm_scores(weight, p=p)
    assert scores.shape == shape
    for row, score in zip(weight, scores, strict=True):
        torch.testing.assert_close(score, torch.norm(row, p=p).expand_as(row))


def test_channel_norm_needs_no_gradient():
    weight = nn.Parameter(torch.ones(2, 2))
    scores = ChannelNorm(p=1)({"a": weight}, evidence=make_evidence(nn.Identity()))["a"]
    scores[0, 0] = 7
    assert not scores.requires_grad
    assert scores.tolist() == [[7, 2], [2, 2]]
    assert weight.tolist() == [[1, 1], [1, 1]]


def test_channel_norm_of_large_weights_is_finite():
    assert channel_norm_scores(torch.full((2, 3), 1e30), p=2).isfinite().all()


@pytest.mark.parametrize("p", [0, 3, "L1", None])
def test_bad_norms(p):
    with pytest.raises(InputError) as caught:
        ChannelNorm(p=p)
    assert str(caught.value) == f"strategy.criterion.p={p}: must be 1 or 2"
