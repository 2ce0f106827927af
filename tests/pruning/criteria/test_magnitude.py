import torch

from compression.core.seeding import make_generator
from compression.pruning.criteria.magnitude import Magnitude, magnitude_scores
from compression.pruning.evidence import Evidence


def make_evidence(generator):
    return Evidence(model=torch.nn.Identity(), example=torch.zeros(1), generator=generator)


def test_magnitude_literals():
    assert magnitude_scores(torch.tensor([[1.5, -2.0], [-0.0, 0.0]])).tolist() == [[1.5, 2], [0, 0]]


def test_magnitude_needs_no_gradient():
    weight = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    scores = magnitude_scores(weight)
    scores.fill_(7)
    assert not scores.requires_grad
    assert weight.tolist() == [1, -1]


def test_magnitude_draws_nothing():
    generator = make_generator(0)
    before = generator.get_state()
    scores = Magnitude()({"a": torch.tensor([-3.0]), "b": torch.tensor([[2.0]])}, evidence=make_evidence(generator))
    assert {name: score.tolist() for name, score in scores.items()} == {"a": [3], "b": [[2]]}
    assert torch.equal(generator.get_state(), before)
