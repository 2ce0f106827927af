"""Contract of every strategy in conf/strategy."""

import copy
from itertools import pairwise

import pytest
import torch
from contract_net import EXAMPLE, SITUATIONS, make_batches, make_net, situations
from hydra.utils import instantiate
from recipes import PRUNING, RANKING, RECIPES, REGROWING, STRUCTURED, UNSTRUCTURED, make_strategy, run, same

from compression.core.counting import layer_macs
from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence
from compression.pruning.schedules.constant import Constant

BATCHES = make_batches()
TOTAL = sum(weight.numel() for weight in prunable_weights(make_net()).values())
# Shipped strategies, which users rely on.
SHIPPED = """
    none oneshot_l1 iterative_l1 oneshot_random iterative_random oneshot_structured_l2 iterative_structured_l2
    iterative_structured_l1 gmp rigl set lottery_ticket taylor snip slimming two_four layerwise_l1
    layerwise_structured_l1
"""
DRAWING = [name for name in PRUNING if "random" in name or name in REGROWING]


def moved(model, seed):
    """Return a copy of the network with changed weights, as after some training; pruned weights change, too."""
    model = copy.deepcopy(model)
    generator = make_generator("moved", seed)
    with torch.no_grad():
        for weight in prunable_weights(model).values():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return model


def test_no_shipped_strategy_is_missing():
    assert set(SHIPPED.split()) <= set(RECIPES)
    assert set(RECIPES) - set(PRUNING) == {"none"}
    assert {"rigl", "set"} <= set(REGROWING)
    assert {"oneshot_random", "iterative_random", "rigl", "set"} <= set(DRAWING)
    assert len(STRUCTURED) >= 6
    assert {"oneshot_l1", "iterative_l1", "iterative_random", "gmp", "snip", "lottery_ticket"} <= set(RANKING)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_name_of_its_file(name):
    assert RECIPES[name]["name"] == name


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("situation", situations("tiny and huge"))
def test_scores_are_finite_and_have_the_shape_of_the_weights(name, situation):
    model = make_net(situation)
    evidence = Evidence(model=model, example=EXAMPLE, generator=make_generator(0), batches=BATCHES)
    weights = prunable_weights(model)
    scores = make_strategy(name, model).criterion(weights, evidence=evidence)
    assert {key: score.shape for key, score in scores.items()} == {key: w.shape for key, w in weights.items()}
    assert all(score.isfinite().all() for score in scores.values())


@pytest.mark.parametrize("name", UNSTRUCTURED)
@pytest.mark.parametrize("situation", situations("all equal"))
def test_counts_of_weights_are_exact_at_every_step(name, situation):
    model = make_net(situation)
    strategy = make_strategy(name, model)
    for step, masks in enumerate(run(strategy, model, BATCHES), start=1):
        assert {key: mask.shape for key, mask in masks.items()} == {
            key: weight.shape for key, weight in prunable_weights(model).items()
        }
        assert masks.num_kept == TOTAL - round(strategy.schedule(step, strategy.amount) * TOTAL)
        assert all(mask.any() for mask in masks.values())


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("situation", situations("random"))
def test_a_target_of_macs_is_met_to_within_one_weight_at_every_step(name, situation):
    model = make_net(situation)
    strategy = make_strategy(name, model, target="macs")
    macs, costs = layer_macs(model, EXAMPLE), strategy.units.costs
    total = sum(macs.values())
    before = strategy.units.dense_masks()
    for step, masks in enumerate(run(strategy, model, BATCHES), start=1):
        budget = total - round(strategy.schedule(step, strategy.amount) * total)
        left = sum(macs[key] * int(mask.sum()) // mask.numel() for key, mask in masks.items())
        assert budget - max(costs.values()) < left <= budget
        assert strategy.units.removed(masks) == pytest.approx(1 - left / total, abs=1e-12)
        assert all(mask.any() and (mask <= before[key]).all() for key, mask in masks.items())
        before = masks


@pytest.mark.parametrize("situation", SITUATIONS)
def test_two_of_every_four_weights_are_kept_in_fitting_layers(situation):
    model = make_net(situation)
    strategy = make_strategy("two_four", model)
    [masks] = run(strategy, model, BATCHES)
    assert strategy.units.whole == ("stem.0.weight", "depthwise.0.weight")
    for name, mask in masks.items():
        if name in strategy.units.whole:
            assert mask.all()
        else:
            assert (mask.transpose(0, 1).reshape(mask.shape[1] // 4, 4, -1).sum(1) == 2).all()


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize(
    ("target", "situation"),
    [
        ("params", "random"),
        ("macs", "all equal"),
        ("channels", "most zero"),
        *(pytest.param("channels", s, marks=pytest.mark.slow) for s in SITUATIONS if s != "most zero"),
    ],
)
def test_channels_are_removed_in_multiples_of_8_until_the_target_is_met(name, situation, target, monkeypatch):
    monkeypatch.setitem(RECIPES[name], "target", target)
    model = make_net(situation)
    strategy = make_strategy(name, model)
    sizes = {key: group.num_channels for key, group in strategy.units.groups.items()}
    for step, masks in enumerate(run(strategy, model, BATCHES), start=1):
        num_kept = {key: int(kept.sum()) for key, kept in strategy.units.kept(masks).items()}
        assert strategy.units.cost.removed(num_kept) >= strategy.schedule(step, strategy.amount) - 1e-9
        assert all(count >= 1 and (count % 8 == 0 or count == sizes[key]) for key, count in num_kept.items())


@pytest.mark.parametrize("name", [name for name in PRUNING if name not in REGROWING])
@pytest.mark.parametrize("situation", situations("most zero"))
def test_pruned_weights_stay_pruned_while_weights_change(name, situation):
    model = make_net(situation)
    strategy = make_strategy(name, model)
    masks = strategy.units.dense_masks()
    for step in range(1, strategy.num_steps + 1):
        after = strategy.masks_at(step, moved(model, step), masks=masks, batches=BATCHES)
        assert list(after) == list(masks)
        assert all((after[key] <= masks[key]).all() for key in masks)
        masks = after


@pytest.mark.parametrize("name", REGROWING)
def test_regrowth_moves_weights_and_keeps_their_number_in_every_layer(name):
    model = make_net()
    strategy = make_strategy(name, model)
    history = run(strategy, model, BATCHES)
    assert len({tuple(masks.layer_sparsity.values()) for masks in history}) == 1
    assert not same(history[0], history[1])
    assert same(history[-2], history[-1])


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("amount", [0.1, 0.5, 0.75, 0.9, 0.99])
def test_the_schedule_rises_to_its_target_or_is_constant(name, amount):
    schedule = instantiate(RECIPES[name]["schedule"])
    values = [schedule(step, amount) for step in range(1, schedule.num_steps(amount) + 1)]
    assert values[-1] == amount
    if isinstance(schedule, Constant):
        assert set(values) == {amount}
    else:
        assert all(before < after for before, after in pairwise([0.0, *values]))


@pytest.mark.parametrize("name", PRUNING)
def test_masks_and_position_survive_a_round_trip_through_a_file(name, tmp_path):
    """A run that stops after any step continues with the same masks as an undisturbed run."""
    model = make_net()
    undisturbed = run(make_strategy(name, model), model, BATCHES)
    for done, (before, after) in enumerate(pairwise(undisturbed), start=1):
        torch.save({"step": done, "masks": dict(before)}, tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        resumed = make_strategy(name, model)
        masks = resumed.masks_at(state["step"] + 1, model, masks=MaskSet(state["masks"]), batches=BATCHES)
        assert same(masks, after)


@pytest.mark.parametrize("name", PRUNING)
def test_seeded_masks_repeat(name):
    model = make_net()
    first, second, other = (run(make_strategy(name, model, seed=seed), model, BATCHES)[-1] for seed in (1, 1, 2))
    assert same(first, second)
    assert same(first, other) == (name not in DRAWING)


@pytest.mark.parametrize("name", PRUNING)
def test_global_random_state_is_neither_read_nor_changed(name):
    model = make_net()
    before = torch.get_rng_state()
    first = run(make_strategy(name, model), model, BATCHES)[-1]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same(first, run(make_strategy(name, model), model, BATCHES)[-1])


@pytest.mark.parametrize("name", PRUNING)
def test_check_accepts_a_reachable_sparsity(name):
    make_strategy(name, make_net()).check(make_net())


@pytest.mark.parametrize("name", PRUNING)
def test_check_refuses_an_unreachable_sparsity(name):
    """Every layer keeps weights, every group keeps at least 8 channels, and a pattern has one sparsity."""
    amount = 0.999 if name in STRUCTURED else 0.9999
    model = make_net()
    with pytest.raises(InputError, match=r"^sparsity=0\.999"):
        make_strategy(name, model, amount=amount).check(model)
