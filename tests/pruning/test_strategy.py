from itertools import pairwise

import pytest
import torch

from compression.core.errors import InputError
from compression.core.masks import dense_masks
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.n_of_m import NOfM
from compression.pruning.granularities.weights import Weights
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy


def make_strategy(**changes):
    parts = {
        "criterion": Magnitude(),
        "granularity": Weights(),
        "allocation": Global(),
        "schedule": Geometric(steps=2),
        "target": 0.75,
        "seed": 0,
    }
    return Strategy(**parts | changes)


def run(strategy, weights):
    masks = [dense_masks(weights)]
    for step in range(1, strategy.num_steps + 1):
        masks.append(strategy.masks_at(step, weights, masks[-1]))
    return masks[1:]


WEIGHTS = {"a": torch.tensor([[1.0, -2.0, 3.0, -4.0]]), "b": torch.tensor([[-5.0, 6.0, -7.0, 8.0]])}


def test_literals():
    first, second = run(make_strategy(), WEIGHTS)
    assert first["a"].tolist() == [[False, False, False, True]]
    assert first["b"].tolist() == [[False, True, True, True]]
    assert second["a"].tolist() == [[False, False, False, True]]
    assert second["b"].tolist() == [[False, False, False, True]]


def test_the_weights_are_left_alone():
    before = {name: weight.clone() for name, weight in WEIGHTS.items()}
    run(make_strategy(), WEIGHTS)
    assert all(torch.equal(before[name], weight) for name, weight in WEIGHTS.items())


def test_what_is_pruned_stays_pruned_though_it_would_score_highest():
    """Random scores rank a pruned weight anew at every step."""
    weights = {"a": torch.ones(50, 40), "b": torch.ones(10, 100)}
    masks = run(make_strategy(criterion=Random(), schedule=Geometric(steps=8), target=0.95), weights)
    for before, after in pairwise(masks):
        assert all((after[name] <= before[name]).all() for name in weights)
        assert after.num_kept < before.num_kept
    assert masks[-1].num_kept == 150


def test_pruned_weights_that_are_not_zero_stay_pruned_too():
    masks = run(make_strategy(), WEIGHTS)[0]
    grown = {name: torch.where(masks[name], weight, 100.0) for name, weight in WEIGHTS.items()}
    after = make_strategy().masks_at(2, grown, masks)
    assert all((after[name] <= masks[name]).all() for name in WEIGHTS)


def test_seeds():
    weights = {"a": torch.ones(20, 20)}
    masks = [run(make_strategy(criterion=Random(), seed=seed), weights)[-1]["a"] for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_each_step_draws_anew():
    weights = {"a": torch.ones(20, 20)}
    strategy = make_strategy(criterion=Random())
    first, second = (strategy.masks_at(step, weights, dense_masks(weights)) for step in (1, 2))
    assert not (second["a"] <= first["a"]).all()


def test_steps_without_training_lead_to_the_one_shot_masks():
    generator = torch.Generator().manual_seed(0)
    weights = {"a": torch.randn(20, 30, generator=generator), "b": torch.randn(5, 40, generator=generator)}
    for allocation in (Global(), Uniform(), Global(floor=3)):
        steps = make_strategy(allocation=allocation, schedule=Geometric(steps=6), target=0.9)
        at_once = make_strategy(allocation=allocation, schedule=OneShot(), target=0.9)
        last, only = run(steps, weights)[-1], run(at_once, weights)[-1]
        assert all(torch.equal(last[name], only[name]) for name in weights)


def test_parameters_as_weights():
    weight = torch.nn.Parameter(torch.randn(4, 4))
    masks = run(make_strategy(), {"a": weight})[-1]
    assert not masks["a"].requires_grad
    assert masks.num_kept == 4


def test_check():
    make_strategy().check(WEIGHTS)
    with pytest.raises(InputError, match=r"^sparsity=0.9 would empty a layer: must be at most 0.75 for this model$"):
        make_strategy(target=0.9).check(WEIGHTS)
    pattern = make_strategy(granularity=NOfM(n=1, m=3), target=2 / 3)
    with pytest.raises(InputError, match=r"^1:3 sparsity fits no layer"):
        pattern.check(WEIGHTS)
