from types import SimpleNamespace

import pytest
from runs import WIDE, compose_config

from compression.pruning.layer_sensitivity import SensitivityTable
from compression.run.building.configured_strategy import make_strategy, make_timeline
from compression.run.context import make_context


@pytest.fixture
def context(tmp_path):
    """Function that returns the context of a command."""

    def make(command):
        return make_context(compose_config(*WIDE, *command.split(), f"output_dir={tmp_path}"), tmp_path / "run")

    return make


@pytest.mark.parametrize(
    ("epochs", "min_updates", "expected"),
    [
        (2, 0, 2),
        # Without a setting, recovery is as long as dense training.
        (None, 0, 3),
        # With 20 updates per epoch, 50 updates need 3 epochs and 40 updates need 2.
        (1, 50, 3),
        (1, 40, 2),
        (5, 50, 5),
        # 0 epochs stay 0.
        (0, 50, 0),
    ],
)
def test_recovery_has_at_least_min_updates(epochs, min_updates, expected):
    recovery = SimpleNamespace(epochs=epochs, min_updates=min_updates, lead_epochs=0, spread=None)
    config = SimpleNamespace(strategy=SimpleNamespace(recovery=recovery), training=SimpleNamespace(epochs=3))
    timeline = make_timeline(SimpleNamespace(config=config), 4, 20)
    assert (timeline.epochs, timeline.num_epochs, timeline.spread) == (expected, 4 * expected, None)
    assert timeline.step_updates == [20 * expected * step for step in range(4)]


def test_steps_are_spread_over_one_training_if_there_are_epochs(context):
    spread = make_timeline(context("strategy=rigl strategy.recovery.epochs=4"), 5, 20)
    assert (spread.num_epochs, spread.step_updates) == (4, [0, 15, 30, 45, 60])
    assert make_timeline(context("strategy=gmp strategy.recovery.epochs=0"), 5, 20).spread is None


def test_make_strategy_applies_the_configuration(context):
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


def test_the_sensitivity_table_limits_the_sparsity_of_layers(context):
    context = context("strategy=layerwise_l1 sparsity=0.5 strategy.allocation.max_drop=10")
    rows = {"features.0.weight": {0.5: 0.2, 0.9: 0.1}, "features.3.weight": {0.5: 0.95, 0.9: 0.92}}
    rows |= {"classifier.weight": {0.5: 0.2, 0.9: 0.1}}
    sizes = {"features.0.weight": 864, "features.3.weight": 18432, "classifier.weight": 640}
    table = SensitivityTable(kind="weights", baseline=0.95, images=100, sizes=sizes, accuracy=rows)
    model = context.build_model()
    strategy = make_strategy(context, model, sensitivity=table)
    masks = strategy.masks_at(strategy.num_steps, model, masks=strategy.units.dense_masks())
    # Two layers lose too much accuracy, so they stay dense. The third layer has the rest of the 9,968 kept weights.
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {
        "features.0.weight": 864,
        "features.3.weight": 9968 - 864 - 640,
        "classifier.weight": 640,
    }
