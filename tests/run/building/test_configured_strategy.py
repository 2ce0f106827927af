from types import SimpleNamespace

import pytest
from runs import WIDE, compose_config

from compression.pruning.layer_sensitivity import SensitivityTable
from compression.run.building.configured_strategy import make_strategy, make_timeline
from compression.run.context import make_context


@pytest.fixture
def context(tmp_path):
    """Makes the context of a command."""

    def make(command):
        return make_context(compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}"), tmp_path / "run")

    return make


@pytest.mark.parametrize(
    ("epochs", "min_updates", "expected"),
    [
        (2, 0, 2),
        # As long as dense training.
        (None, 0, 3),
        # 50 updates are three epochs of 20 each, 40 are two.
        (1, 50, 3),
        (1, 40, 2),
        (5, 50, 5),
        # None is none.
        (0, 50, 0),
    ],
)
def test_recovery_is_long_enough_for_its_fewest_updates(epochs, min_updates, expected):
    recovery = SimpleNamespace(epochs=epochs, min_updates=min_updates, lead_epochs=0, spread=None)
    config = SimpleNamespace(strategy=SimpleNamespace(recovery=recovery), training=SimpleNamespace(epochs=3))
    timeline = make_timeline(SimpleNamespace(config=config), 4, 20)
    assert (timeline.epochs, timeline.num_epochs, timeline.spread) == (expected, 4 * expected, None)
    assert timeline.step_updates == [20 * expected * step for step in range(4)]


def test_steps_are_spread_over_one_training_unless_there_is_none(context):
    spread = make_timeline(context("strategy=rigl strategy.recovery.epochs=4"), 5, 20)
    assert (spread.num_epochs, spread.step_updates) == (4, [0, 15, 30, 45, 60])
    assert make_timeline(context("strategy=gmp strategy.recovery.epochs=0"), 5, 20).spread is None


def test_the_strategy_is_the_configured_one(context):
    context = context("strategy=iterative_structured_l1 sparsity=0.25 strategy.protect=[first]")
    strategy = make_strategy(context, context.build_model())
    assert strategy.amount == 0.25
    assert strategy.example.shape == (2, 3, 32, 32)
    assert strategy.num_steps == 5
    assert list(strategy.units.reduce({name: value.abs() for name, value in strategy_weights(context)})) == [
        "features.3"
    ]


def strategy_weights(context):
    model = context.build_model()
    return [(name, value.detach()) for name, value in model.named_parameters() if value.ndim > 1]


def test_what_a_layer_bears_is_read_from_the_table(context):
    context = context("strategy=layerwise_l1 sparsity=0.5 strategy.allocation.max_drop=10")
    rows = {"features.0.weight": {0.5: 0.2, 0.9: 0.1}, "features.3.weight": {0.5: 0.95, 0.9: 0.92}}
    rows |= {"classifier.weight": {0.5: 0.2, 0.9: 0.1}}
    sizes = {"features.0.weight": 864, "features.3.weight": 18432, "classifier.weight": 640}
    table = SensitivityTable(kind="weights", baseline=0.95, images=100, sizes=sizes, accuracy=rows)
    model = context.build_model()
    strategy = make_strategy(context, model, sensitivity=table)
    masks = strategy.masks_at(strategy.num_steps, model, masks=strategy.units.dense_masks())
    # The two that bear nothing are whole: of half of all 19,936 weights the third has what they leave.
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "features.0.weight": 864,
        "features.3.weight": 9968 - 864 - 640,
        "classifier.weight": 640,
    }
