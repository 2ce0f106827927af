"""Tests of the batch-norm scale, which scores all weights of an output channel equally."""

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.criteria.batch_norm_scale import BatchNormScale
from compression.pruning.evidence import Evidence


def make_evidence(model):
    return Evidence(model=model, example=torch.zeros(1, 3, 8, 8), generator=make_generator(0))


def scores_of(criterion, model):
    return criterion(prunable_weights(model), evidence=make_evidence(model))


def with_scales(norm, values):
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(values))
    return norm


def test_batch_norm_scale_literals():
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3), with_scales(nn.BatchNorm2d(2), [0.5, -3.0]), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.ReLU()
    )
    scores = scores_of(BatchNormScale(), model)
    assert scores["0.weight"].shape == (2, 3, 3, 3)
    assert scores["0.weight"][:, 1, 2, 0].tolist() == [0.5, 3]
    assert scores["0.weight"].flatten(1).std(1).tolist() == [0, 0]
    # Nothing follows that would tell which of its channels are small.
    assert scores["3.weight"].unique().tolist() == [3]
    assert not any(score.requires_grad for score in scores.values())


def test_batch_norm_before_the_convolution_does_not_count():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        with_scales(nn.BatchNorm2d(4), [1.0, 2.0, 3.0, 4.0]),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1),
        nn.Conv2d(4, 4, 1),
    )
    scores = scores_of(BatchNormScale(), model)
    assert scores["0.weight"][:, 0, 0, 0].tolist() == [1, 2, 3, 4]
    assert scores["3.weight"].unique().tolist() == scores["4.weight"].unique().tolist() == [4]


def test_scales_of_layers_that_are_not_scored_do_not_count():
    model = nn.Sequential(
        nn.Conv2d(3, 2, 1),
        with_scales(nn.BatchNorm2d(2), [8.0, 9.0]),
        nn.Conv2d(2, 2, 1),
        with_scales(nn.BatchNorm2d(2), [0.1, 0.2]),
        nn.Conv2d(2, 1, 1),
    )
    weights = {name: weight for name, weight in prunable_weights(model).items() if name != "0.weight"}
    scores = BatchNormScale()(weights, evidence=make_evidence(model))
    assert list(scores) == ["2.weight", "4.weight"]
    assert scores["4.weight"].unique().tolist() == pytest.approx([0.2])


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU()),
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 3)),
        nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2, affine=False)),
    ],
)
def test_a_model_without_scales(model):
    with pytest.raises(InputError, match=r"no layer of this model is followed by a batch norm$"):
        scores_of(BatchNormScale(), model)
