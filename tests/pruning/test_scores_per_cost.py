import torch

from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random
from compression.pruning.criteria.snip import Snip
from compression.pruning.criteria.taylor import Taylor
from compression.pruning.scores_per_cost import cost_exponent, scores_per_cost


def test_literals():
    scores = {"a": torch.tensor([6.0, -torch.inf]), "b": torch.tensor([2.0, -2.0])}
    costs = {"a": 16, "b": 4}
    half = scores_per_cost(scores, costs=costs, exponent=0.5)
    assert {name: score.tolist() for name, score in half.items()} == {"a": [1.5, -torch.inf], "b": [1.0, -1.0]}
    assert scores_per_cost(scores, costs=costs, exponent=1.0)["b"].tolist() == [0.5, -0.5]
    assert torch.equal(scores_per_cost(scores, costs=costs, exponent=0.0)["a"], scores["a"])


def test_a_criterion_decides_how_much_a_cost_counts():
    class Mine(Magnitude):
        cost_exponent = 2

    assert [cost_exponent(criterion) for criterion in (Magnitude(), Random(), Taylor(), Snip())] == [0.25, 0, 1, 1]
    assert cost_exponent(Mine()) == 2
