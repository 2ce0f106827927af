from itertools import pairwise

import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.core.selection import prunable_weights
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.channels import Channels
from compression.pruning.granularities.n_of_m import NOfM
from compression.pruning.granularities.weights import Weights
from compression.pruning.regrowth.set_ import Set
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy, find_units, protected_weights

EXAMPLE = torch.zeros(1, 3, 4, 4)


class Layers(nn.Module):
    """A model that runs each of its layers by itself, in their order."""

    def forward(self, images):
        return [layer(images.new_ones(1, layer.in_features)) for layer in self.children()]


def make_model(**weights):
    """A model of named linear layers; masks of single weights do not depend on what it computes."""
    model = Layers()
    for name, values in weights.items():
        layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
        layer.weight = nn.Parameter(values.clone())
        model.add_module(name, layer)
    return model


def make_literal():
    return make_model(a=torch.tensor([[1.0, -2.0, 3.0, -4.0]]), b=torch.tensor([[-5.0, 6.0, -7.0, 8.0]]))


def make_random(**shapes):
    generator = torch.Generator().manual_seed(0)
    return make_model(**{name: torch.randn(shape, generator=generator) for name, shape in shapes.items()})


def make_strategy(model, *, granularity=None, protect=(), target="weights", amount=0.75, **changes):
    units = find_units(granularity or Weights(), model, example=EXAMPLE, amount=amount, target=target, protect=protect)
    parts = {"criterion": Magnitude(), "allocation": Global(), "schedule": Geometric(steps=2), "seed": 0}
    return Strategy(units=units, amount=amount, example=EXAMPLE, **parts | changes)


def run(strategy, model):
    masks = [strategy.units.dense_masks()]
    for step in range(1, strategy.num_steps + 1):
        masks.append(strategy.masks_at(step, model, masks=masks[-1]))
    return masks[1:]


def test_literals():
    model = make_literal()
    first, second = run(make_strategy(model), model)
    assert first["a.weight"].tolist() == [[False, False, False, True]]
    assert first["b.weight"].tolist() == [[False, True, True, True]]
    assert second["a.weight"].tolist() == [[False, False, False, True]]
    assert second["b.weight"].tolist() == [[False, False, False, True]]


def test_a_protected_layer_stays_dense_and_counts_in_the_amount():
    model = make_literal()
    first = make_strategy(model, protect=["first"], amount=0.25, schedule=OneShot())
    assert first.units.whole == ("a.weight",)
    [masks] = run(first, model)
    assert masks["a.weight"].tolist() == [[True, True, True, True]]
    assert masks["b.weight"].tolist() == [[False, False, True, True]]
    last = make_strategy(model, protect=["last"], amount=0.25, schedule=OneShot())
    assert run(last, model)[0]["a.weight"].tolist() == [[False, False, True, True]]
    assert make_strategy(model, protect=["first", "last"], amount=0.0).units.whole == ("a.weight", "b.weight")


class HeadFirst(nn.Module):
    """Defines its layers in another order than it runs them; ``first`` runs again after ``inner``."""

    def __init__(self):
        super().__init__()
        self.head, self.unused, self.inner = nn.Linear(4, 2), nn.Conv2d(4, 4, 1), nn.Conv2d(3, 3, 1)
        self.first, self.outer = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 1)

    def forward(self, images):
        return self.head(self.outer(self.first(self.inner(self.first(images)))).mean((2, 3)))


def test_first_and_last_layer_are_those_of_a_run():
    def find_whole(*protect):
        return find_units(Weights(), HeadFirst(), example=EXAMPLE, amount=0.5, protect=protect).whole

    assert find_whole("first") == ("first.weight",)
    assert find_whole("last") == ("head.weight",)
    assert find_whole("first", "last") == ("head.weight", "first.weight")


@pytest.mark.parametrize("build", [resnet18, mobilenet_v2, vgg11])
def test_first_and_last_layer_of_a_network(build):
    model = build(num_classes=3)
    names = list(prunable_weights(model))
    example = torch.zeros(1, 3, 32, 32)
    assert protected_weights(model, ["first"], example=example) == {names[0]}
    assert protected_weights(model, ["last"], example=example) == {names[-1]}
    assert protected_weights(model, [], example=example) == frozenset()


def test_the_weights_are_left_alone():
    model = make_literal()
    run(make_strategy(model), model)
    for name, weight in prunable_weights(make_literal()).items():
        assert torch.equal(model.get_parameter(name), weight)


def test_pruned_weights_stay_pruned_at_any_score():
    """Random scores rank a pruned weight again at every step."""
    model = make_random(a=(50, 40), b=(10, 100))
    masks = run(make_strategy(model, criterion=Random(), schedule=Geometric(steps=8), amount=0.95), model)
    for before, after in pairwise(masks):
        assert all((after[name] <= before[name]).all() for name in after)
        assert after.num_kept < before.num_kept
    assert masks[-1].num_kept == 150


def test_pruned_weights_that_are_not_zero_stay_pruned_too():
    model = make_literal()
    masks = run(make_strategy(model), model)[0]
    grown = make_model(
        **{name[0]: torch.where(masks[name], w.detach(), 100.0) for name, w in prunable_weights(model).items()}
    )
    after = make_strategy(grown).masks_at(2, grown, masks=masks)
    assert all((after[name] <= masks[name]).all() for name in masks)


def test_random_scores_depend_on_step_and_seed():
    model = make_random(a=(20, 20))
    dense = make_strategy(model).units.dense_masks()

    def draw(step, seed):
        strategy = make_strategy(model, criterion=Random(), schedule=Constant(steps=2), seed=seed)
        return strategy.masks_at(step, model, masks=dense)["a.weight"]

    assert torch.equal(draw(1, seed=1), draw(1, seed=1))
    assert not torch.equal(draw(1, seed=1), draw(2, seed=1))
    assert not torch.equal(draw(1, seed=1), draw(1, seed=2))


def test_steps_without_training_lead_to_the_one_shot_masks():
    model = make_random(a=(20, 30), b=(5, 40))
    for allocation in (Global(), Uniform(), Global(floor=3)):
        steps = make_strategy(model, allocation=allocation, schedule=Geometric(steps=6), amount=0.9)
        at_once = make_strategy(model, allocation=allocation, schedule=OneShot(), amount=0.9)
        last, only = run(steps, model)[-1], run(at_once, model)[-1]
        assert all(torch.equal(last[name], only[name]) for name in only)


def test_masks_need_no_gradient():
    model = make_random(a=(4, 4))
    masks = run(make_strategy(model), model)[-1]
    assert not masks["a.weight"].requires_grad
    assert masks.num_kept == 4


def test_with_regrowth_only_the_first_step_prunes():
    model = make_random(a=(20, 20))
    strategy = make_strategy(model, regrowth=Set(), schedule=Constant(steps=4))
    assert [strategy.prunes_at(step) for step in (1, 2, 3, 4)] == [True, False, False, False]
    assert all(make_strategy(model).prunes_at(step) for step in (1, 2))
    strategy.check(model)


def test_check_refuses_amounts_out_of_reach():
    model = make_literal()
    make_strategy(model).check(model)
    with pytest.raises(InputError) as caught:
        make_strategy(model, amount=0.9).check(model)
    assert str(caught.value) == "sparsity=0.9 would empty a layer: must be at most 0.75 for this model"
    with pytest.raises(InputError) as caught:
        make_strategy(model, amount=0.5, protect=["first"]).check(model)
    assert str(caught.value) == (
        "sparsity=0.5 would empty a layer: must be at most 0.375 for this model with 1 layers protected"
    )


def test_regrowth_needs_single_weights_and_two_steps():
    model = make_literal()
    pattern = make_strategy(model, granularity=NOfM(n=2, m=4), amount=0.5, regrowth=Set(), schedule=Constant(steps=3))
    with pytest.raises(InputError) as caught:
        pattern.check(model)
    assert str(caught.value) == ("strategy.regrowth moves single weights: it needs the granularity weights.Weights")
    with pytest.raises(InputError) as caught:
        make_strategy(model, regrowth=Set(), schedule=Constant(steps=1)).check(model)
    assert str(caught.value) == (
        "strategy.schedule.steps=1: must be >= 2 with strategy.regrowth: the first only prunes"
    )


def test_a_pattern_has_one_amount():
    model = make_literal()
    with pytest.raises(InputError) as caught:
        make_strategy(model, granularity=NOfM(n=2, m=4), amount=0.6)
    assert str(caught.value) == "sparsity=0.6 contradicts strategy.granularity, which always prunes 0.5"
    assert make_strategy(model, granularity=NOfM(n=1, m=3 + 1), amount=0.75).amount == 0.75


@pytest.mark.parametrize("target", ["channels", "params", "filters"])
def test_single_weights_have_other_targets(target):
    with pytest.raises(InputError) as caught:
        make_strategy(make_literal(), target=target)
    assert (
        str(caught.value)
        == f"strategy.target={target}: must be one of weights, macs, latency where single weights are pruned"
    )


@pytest.mark.parametrize("target", ["channels", "macs"])
def test_a_pattern_has_no_other_target(target):
    with pytest.raises(InputError) as caught:
        make_strategy(make_literal(), granularity=NOfM(n=1, m=4), target=target)
    assert str(caught.value) == f"strategy.target={target}: must be weights where a pattern decides what is pruned"


@pytest.mark.parametrize("target", ["weights", "flops"])
def test_channels_have_other_targets(target):
    with pytest.raises(InputError) as caught:
        make_strategy(make_literal(), granularity=Channels(), target=target)
    assert str(caught.value) == (
        f"strategy.target={target}: must be one of channels, params, macs where channels are removed"
    )
