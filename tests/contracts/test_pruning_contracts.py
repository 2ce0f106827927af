"""What every strategy of conf/strategy must do, whatever its parts."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml
from hydra.utils import instantiate

from compression.core.errors import InputError
from compression.core.masks import MaskSet, dense_masks
from compression.core.seeding import make_generator
from compression.pruning.strategy import Strategy

CONF = Path(__file__).parents[2] / "conf" / "strategy"
PARTS = ("criterion", "granularity", "allocation", "schedule")
RECIPES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))}
PRUNING = [name for name, recipe in RECIPES.items() if "criterion" in recipe]

# Input channels are multiples of four, so that patterns fit every layer.
SHAPES = {"conv": (16, 8, 3, 3), "grouped": (16, 4, 3, 3), "pointwise": (24, 16, 1, 1), "linear": (10, 24)}
TOTAL = sum(torch.Size(shape).numel() for shape in SHAPES.values())


def random_weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


WEIGHTS = {
    "random": random_weights(),
    "all equal": {name: torch.ones(shape) for name, shape in SHAPES.items()},
    "all zero": {name: torch.zeros(shape) for name, shape in SHAPES.items()},
    "most zero": {name: weight * (weight > 1) for name, weight in random_weights().items()},
    "of two sizes": {name: weight.sign() for name, weight in random_weights().items()},
    "tiny and huge": {name: weight * 10 ** (5 * weight) for name, weight in random_weights().items()},
}


def make_strategy(name, seed=7):
    recipe = RECIPES[name]
    return Strategy(**{part: instantiate(recipe[part]) for part in PARTS}, target=recipe["sparsity"], seed=seed)


def run(strategy, weights, steps=None, masks=None):
    history = [masks or dense_masks(weights)]
    for step in steps or range(1, strategy.num_steps + 1):
        history.append(strategy.masks_at(step, weights, history[-1]))
    return history[1:]


def test_the_strategies_of_the_first_release_are_there():
    assert set(PRUNING) >= {"oneshot_l1", "iterative_l1", "oneshot_random", "iterative_random", "two_four"}
    assert set(RECIPES) - set(PRUNING) == {"none"}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_named_for_its_file(name):
    assert RECIPES[name]["name"] == name


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("kind", WEIGHTS)
def test_scores_are_finite_and_of_the_weights_shape(name, kind):
    scores = make_strategy(name).criterion(WEIGHTS[kind], generator=make_generator(0))
    assert {key: tuple(score.shape) for key, score in scores.items()} == SHAPES
    assert all(score.isfinite().all() for score in scores.values())
    assert list(scores) == list(SHAPES)


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("kind", WEIGHTS)
def test_counts_are_exact_at_every_step(name, kind):
    strategy = make_strategy(name)
    for step, masks in enumerate(run(strategy, WEIGHTS[kind]), start=1):
        assert {key: tuple(mask.shape) for key, mask in masks.items()} == SHAPES
        assert masks.num_kept == TOTAL - round(strategy.schedule(step, strategy.target) * TOTAL)
        assert all(mask.any() for mask in masks.values())
    assert masks.sparsity == pytest.approx(strategy.target, abs=0.5 / TOTAL)


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("kind", WEIGHTS)
def test_masks_are_monotone_while_weights_change(name, kind):
    """Recovery training moves weights between steps, also such as should be zero."""
    strategy = make_strategy(name)
    masks = dense_masks(WEIGHTS[kind])
    for step in range(1, strategy.num_steps + 1):
        moved = {key: weight + random_weights(step)[key] for key, weight in WEIGHTS[kind].items()}
        after = strategy.masks_at(step, moved, masks)
        assert all((after[key] <= masks[key]).all() for key in masks)
        masks = after


@pytest.mark.parametrize("name", PRUNING)
@pytest.mark.parametrize("target", [0.1, 0.5, 0.75, 0.9, 0.99])
def test_endpoints_of_the_schedule(name, target):
    schedule = make_strategy(name).schedule
    values = [0.0, *(schedule(step, target) for step in range(1, schedule.num_steps(target) + 1))]
    assert values[-1] == target
    assert all(before < after for before, after in pairwise(values))


@pytest.mark.parametrize("name", PRUNING)
def test_masks_and_position_survive_a_round_trip_through_a_file(name, tmp_path):
    """A run that is cut off after any step ends with the masks of one that is not."""
    strategy = make_strategy(name)
    undisturbed = run(strategy, WEIGHTS["random"])
    for cut in range(1, strategy.num_steps):
        torch.save({"step": cut, "masks": dict(undisturbed[cut - 1])}, tmp_path / "state.pt")
        state = torch.load(tmp_path / "state.pt", weights_only=True)
        rest = range(state["step"] + 1, strategy.num_steps + 1)
        resumed = run(make_strategy(name), WEIGHTS["random"], rest, MaskSet(state["masks"]))
        for key, mask in undisturbed[-1].items():
            assert torch.equal(resumed[-1][key], mask)


@pytest.mark.parametrize("name", PRUNING)
def test_seeded_masks_repeat(name):
    first, second, other = (run(make_strategy(name, seed), WEIGHTS["random"])[-1] for seed in (1, 1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    draws = "random" in name
    assert draws != all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", PRUNING)
def test_global_random_state_is_neither_read_nor_changed(name):
    before = torch.get_rng_state()
    first = run(make_strategy(name), WEIGHTS["random"])[-1]
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    second = run(make_strategy(name), WEIGHTS["random"])[-1]
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", PRUNING)
def test_check_passes_what_can_be_reached(name):
    make_strategy(name).check(WEIGHTS["random"])


@pytest.mark.parametrize("name", PRUNING)
def test_check_refuses_what_cannot(name):
    """Of six weights in three layers no strategy can prune 90 %, and no pattern of four fits."""
    weights = {key: torch.randn(1, 2) for key in "abc"}
    with pytest.raises(InputError):
        make_strategy(name).check(weights)
