import torch

from compression.core.seeding import make_generator
from compression.pruning.criteria.random import Random, random_scores
from compression.pruning.evidence import Evidence


def make_evidence(generator):
    return Evidence(model=torch.nn.Identity(), example=torch.zeros(1), generator=generator)


def test_random_ignores_the_weights():
    zeros, ones = (
        Random()({"a": like(3, 4)}, evidence=make_evidence(make_generator(1))) for like in (torch.zeros, torch.ones)
    )
    assert torch.equal(zeros["a"], ones["a"])


def test_random_is_uniform():
    scores = random_scores(torch.zeros(100, 100), make_generator(0))
    assert scores.shape == (100, 100)
    assert scores.min() >= 0
    assert scores.max() < 1
    counts = torch.histc(scores, bins=10, min=0, max=1)
    # Standard deviation of a bin is 30.
    assert ((counts - 1000).abs() < 150).all()


def test_random_layers_differ():
    scores = Random()({"a": torch.zeros(8), "b": torch.zeros(8)}, evidence=make_evidence(make_generator(1)))
    assert not torch.equal(scores["a"], scores["b"])


def test_random_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    random_scores(torch.zeros(5), make_generator(0))
    assert torch.equal(torch.get_rng_state(), before)
