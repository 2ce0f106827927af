"""Contract of every criterion, granularity, allocation, schedule and regrowth, even if no recipe uses it."""

import importlib
import inspect
import pkgutil
from itertools import pairwise

import pytest
import torch
from contract_net import EXAMPLE, SITUATIONS, make_batches, make_net
from recipes import same

from compression.core.masks import MaskSet, dense_masks
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning import allocations, criteria, granularities, regrowth, schedules
from compression.pruning.allocations.by_hand import ByHand
from compression.pruning.allocations.by_sensitivity import BySensitivity
from compression.pruning.allocations.erk import Erk
from compression.pruning.allocations.global_ import Global
from compression.pruning.allocations.lamp import Lamp
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.criteria import Observer
from compression.pruning.criteria.batch_norm_scale import BatchNormScale
from compression.pruning.criteria.channel_norm import ChannelNorm
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.movement import Movement
from compression.pruning.criteria.random import Random
from compression.pruning.criteria.snip import Snip
from compression.pruning.criteria.taylor import Taylor
from compression.pruning.evidence import Evidence
from compression.pruning.granularities.channels import Channels, ChannelUnits
from compression.pruning.granularities.n_of_m import NOfM, NOfMUnits
from compression.pruning.granularities.weights import Weights, WeightUnits
from compression.pruning.regrowth.rigl import RigL
from compression.pruning.regrowth.set_ import Set
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.cubic import Cubic
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.linear import Linear
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import find_units

CRITERIA = [
    Magnitude(), Random(), ChannelNorm(p=1), ChannelNorm(p=2), BatchNormScale(), Taylor(num_batches=2), Snip(),
    Movement(num_batches=2),
]  # fmt: skip
ALLOCATIONS = [
    Global(), Global(floor=0.1), Uniform(), Erk(floor=0.1), Lamp(), ByHand(sparsities={"inner*": 0.3}),
    BySensitivity(max_drop=1.0),
]  # fmt: skip
SCHEDULES = [
    OneShot(), Geometric(steps=4), Geometric(step_fraction=0.2), Cubic(steps=7), Linear(steps=6), Constant(steps=3)
]  # fmt: skip
GRANULARITIES = {
    "weights": (Weights(), "weights", WeightUnits),
    "channels": (Channels(), "channels", ChannelUnits),
    "two of four": (NOfM(n=2, m=4), "weights", NOfMUnits),
}
REGROWTHS = [RigL(fraction=0.5), Set(fraction=0.5)]


def classes_of(package):
    """Return the public classes that the modules of a package define."""
    found = set()
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        members = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        found |= {cls for name, cls in members if cls.__module__ == module.name and not name.startswith("_")}
    return found


def make_units(kind, model):
    granularity, target, _ = GRANULARITIES[kind]
    return find_units(granularity, model, example=EXAMPLE, amount=0.5, target=target)


def make_evidence(model, seed=0):
    return Evidence(model=model, example=EXAMPLE, generator=make_generator(seed), batches=make_batches())


@pytest.mark.parametrize(
    ("package", "tested"),
    [
        (criteria, {type(part) for part in CRITERIA}),
        (allocations, {type(part) for part in ALLOCATIONS}),
        (schedules, {type(part) for part in SCHEDULES}),
        (granularities, {cls for part, _, units in GRANULARITIES.values() for cls in (type(part), units)}),
        (regrowth, {type(part) for part in REGROWTHS}),
    ],
)
def test_every_class_is_tested_here(package, tested):
    assert classes_of(package) == tested


@pytest.mark.parametrize("kind", GRANULARITIES)
def test_every_granularity_has_its_class_of_units(kind):
    assert type(make_units(kind, make_net())) is GRANULARITIES[kind][2]


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_scores_are_finite_for_all_kinds_of_weights(criterion, situation):
    model = make_net(situation)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = prunable_weights(model)
    scores = criterion(weights, evidence=make_evidence(model))
    assert {name: score.shape for name, score in scores.items()} == {name: w.shape for name, w in weights.items()}
    assert all(score.isfinite().all() and not score.requires_grad for score in scores.values())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_observing_criterion_can_be_saved_and_loaded(tmp_path):
    model = make_net()
    weights = prunable_weights(model)
    for weight in weights.values():
        weight.grad = torch.full_like(weight, 0.5)
    for criterion in CRITERIA:
        if isinstance(criterion, Observer):
            one, other = type(criterion)(), type(criterion)()
            one.observe(weights)
            torch.save(one.state_dict(), tmp_path / "state.pt")
            other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
            first, second = (c(weights, evidence=make_evidence(model)) for c in (one, other))
            assert all(torch.equal(first[name], second[name]) for name in weights)


@pytest.mark.parametrize("kind", GRANULARITIES)
@pytest.mark.parametrize("allocation", ALLOCATIONS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("situation", ["random", "all equal"])
def test_every_allocation_distributes_every_kind_of_unit(kind, allocation, situation):
    model = make_net(situation)
    units = make_units(kind, model)
    scores = units.reduce(ChannelNorm(p=1)(prunable_weights(model), evidence=make_evidence(model)))
    before = None
    for amount in (0.0, 0.2, 0.4, 0.5):
        num_kept = units.count(scores, amount=amount, final=0.5, allocation=allocation)
        kept = units.kept(MaskSet(units.masks(scores, num_kept)))
        assert list(num_kept) == list(kept) == list(scores)
        assert {name: int(mask.sum()) for name, mask in kept.items()} == num_kept
        assert min(num_kept.values()) >= 1
        assert before is None or all(num_kept[name] <= before[name] for name in num_kept)
        before = num_kept


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
@pytest.mark.parametrize("amount", [0.05, 0.5, 0.9, 0.999])
def test_every_schedule_rises_to_exactly_its_target(schedule, amount):
    values = [schedule(step, amount) for step in range(1, schedule.num_steps(amount) + 1)]
    assert values[-1] == amount
    assert all(0 < value <= amount for value in values)
    assert isinstance(schedule, Constant) or all(before < after for before, after in pairwise(values))


@pytest.mark.parametrize("part", REGROWTHS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_regrowth_keeps_the_counts_of_each_layer(part, situation):
    model = make_net(situation)
    weights = prunable_weights(model)
    units = make_units("weights", model)
    scores = Random()(weights, evidence=make_evidence(model))
    masks = MaskSet(units.masks(scores, units.count(scores, amount=0.8, final=0.8, allocation=Uniform())))
    after = part(weights, masks=masks, progress=0.0, evidence=make_evidence(model, 1))
    assert after.layer_sparsity == masks.layer_sparsity
    assert not same(after, masks)
    dense = dense_masks(weights)
    assert same(part(weights, masks=dense, progress=0.0, evidence=make_evidence(model)), dense)
