"""Errors of a strategy that depend on the model: they are refused before training."""

import logging

import pytest
import torch
from checks import WIDE, check_command, refusal
from hydra.errors import HydraException
from runs import ROOT, compose_config

from compression.config.explain import explain
from compression.run.context import make_context

STRATEGIES = ROOT / "conf" / "strategy"
CHANNELS = "strategy=oneshot_structured_l2"
FLOORED = "for this model with granularity.round_to=8 and the allocation's floor"
SAFE = "convolutions, linear layers and batch norm"


RANKED = "needs one ranking of all weights: strategy.allocation must be global_.Global"
SLOW = pytest.mark.slow
MESSAGES = [
    ("strategy.schedule.steps=0", "strategy.schedule.steps=0: must be an integer >= 1"),
    pytest.param("strategy.schedule.steps=2.5", "strategy.schedule.steps=2.5: must be an integer >= 1", marks=SLOW),
    pytest.param("strategy.schedule.steps=many", "strategy.schedule.steps=many: must be an integer >= 1", marks=SLOW),
    (
        "+strategy.schedule.step_fraction=0.2",
        "strategy.schedule steps=5 step_fraction=0.2: give one of them, the other null",
    ),
    pytest.param(
        "strategy.schedule.steps=null +strategy.schedule.step_fraction=1",
        "strategy.schedule.step_fraction=1: must be in [0.001, 1)",
        marks=SLOW,
    ),
    ("strategy.allocation.floor=-1", "strategy.allocation.floor=-1: must be >= 0 weights per output channel"),
    ("strategy=two_four strategy.granularity.n=4", "strategy.granularity n=4 m=4: must be integers with 0 < n < m"),
    (
        "strategy.target=params",
        "strategy.target=params: must be one of weights, macs, latency where single weights are pruned",
    ),
    (
        "strategy=layerwise_l1 strategy.target=macs",
        f"strategy.target=macs {RANKED}, not BySensitivity",
    ),
    (
        f"{CHANNELS} strategy.target=latency",
        "strategy.target=latency: must be one of channels, params, macs where channels are removed",
    ),
    pytest.param(
        "strategy=two_four strategy.target=macs",
        "strategy.target=macs: must be weights where a pattern decides what is pruned",
        marks=SLOW,
    ),
    pytest.param(
        f"{CHANNELS} strategy.target=weights",
        "strategy.target=weights: must be one of channels, params, macs where channels are removed",
        marks=SLOW,
    ),
    (
        f"{CHANNELS} sparsity=0.999",
        f"sparsity=0.999 with strategy.target=channels is out of reach: must be at most 0.8333 {FLOORED}",
    ),
    pytest.param(
        f"{CHANNELS} sparsity=0.999 strategy.target=macs",
        f"sparsity=0.999 with strategy.target=macs is out of reach: must be at most 0.9341 {FLOORED}",
        marks=SLOW,
    ),
    (
        "strategy.protect=[first,last] sparsity=0.99",
        "sparsity=0.99 would empty a layer: must be at most 0.9245 for this model with 2 layers protected",
    ),
    pytest.param(
        f"{CHANNELS} strategy.granularity.round_to=0",
        "strategy.granularity.round_to=0: must be an integer >= 1",
        marks=SLOW,
    ),
    pytest.param(
        "strategy=rigl strategy.schedule.steps=1",
        "strategy.schedule.steps=1: must be >= 2 with strategy.regrowth: the first only prunes",
        marks=SLOW,
    ),
    ("strategy=set strategy.regrowth.fraction=0", "strategy.regrowth.fraction=0: must be in (0, 1]"),
    pytest.param(
        "strategy=two_four +strategy.regrowth._target_=compression.pruning.regrowth.set_.Set",
        "strategy.regrowth moves single weights: it needs the granularity weights.Weights",
        marks=SLOW,
    ),
    pytest.param(
        "strategy=taylor strategy.criterion.num_batches=0",
        "strategy.criterion.num_batches=0: must be an integer >= 1",
        marks=SLOW,
    ),
    ("strategy=layerwise_l1 strategy.allocation.max_drop=-1", "strategy.allocation.max_drop=-1: must be >= 0 points"),
    pytest.param(
        "strategy=layerwise_l1 strategy.allocation.file=nothing.json",
        "strategy.allocation.file=nothing.json: no such file",
        marks=SLOW,
    ),
    pytest.param(
        "strategy=two_four model=custom model._target_=odd_nets.OddNet",
        "2:4 sparsity fits no layer: each is protected or has input channels that are not a multiple of 4: "
        "conv.weight, head.weight",
        marks=SLOW,
    ),
    (
        f"{CHANNELS} model=custom model._target_=odd_nets.LayerNormNet",
        f"channels of this model cannot be removed safely: norm is a LayerNorm; allowed: {SAFE}",
    ),
    pytest.param(
        "model=custom model._target_=odd_nets.NoWeights",
        "model odd_nets.NoWeights has no convolution or linear layer to prune",
        marks=SLOW,
    ),
]


@pytest.mark.parametrize(("command", "message"), MESSAGES)
def test_a_wrong_strategy_is_refused_with_one_message(tmp_path, command, message):
    with pytest.raises((HydraException, ValueError)) as caught:
        check_command(tmp_path, *command.split())
    assert explain(caught.value) == message
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("command", "key"),
    [("strategy.start=early", "strategy.start"), ("strategy=lottery_ticket", "strategy.recovery.rewind")],
)
def test_early_weights_need_a_dense_training(tmp_path, command, key):
    path = tmp_path / "some.pt"
    network = make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path / "run").build_model()
    torch.save(network.state_dict(), path)
    message = f"{key}=early contradicts model.weights={path}: there are no early weights; use initial"
    assert refusal(tmp_path, command, f"model.weights={path}") == message


@pytest.mark.parametrize(
    "command",
    ["sparsity=0.99999", "sparsity=0.999999999", "strategy=oneshot_random sparsity=0.99999"],
)
def test_the_error_for_a_sparsity_that_empties_a_layer_names_the_limit(tmp_path, command):
    with pytest.raises(ValueError, match=r"would empty a layer: must be at most 0.99\d+ for this model$"):
        check_command(tmp_path, *command.split())


def test_channels_that_the_code_hard_codes_are_refused(tmp_path):
    model = ("model=custom", "model._target_=odd_nets.FixedShapeNet", "strategy.granularity.round_to=4")
    with pytest.raises(ValueError, match=r"^channels of this model cannot be removed safely: without them it does not"):
        check_command(tmp_path, CHANNELS, *model)


def test_an_unknown_codec_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^storage.codec='zip' is unknown; allowed: auto, dense, bitmask, coo, csr"):
        check_command(tmp_path, "storage.codec=zip")


def test_a_pattern_that_contradicts_the_recipes_sparsity_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"contradicts"):
        check_command(tmp_path, "strategy=two_four", "strategy.granularity.n=1")


@pytest.mark.parametrize("training", ["sgd", "adam", "adamw"])
def test_recovery_starts_below_dense_training(training):
    config = compose_config("strategy=oneshot_l1", f"training={training}")
    assert config.strategy.recovery.lr_factor * config.training.optimizer["lr"] < config.training.optimizer["lr"]


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        (CHANNELS, 0.8333),
        (f"{CHANNELS} strategy.target=macs", 0.9341),
        (f"{CHANNELS} strategy.protect=[first]", 0.875),
        ("strategy.protect=[first,last]", 0.9245),
    ],
)
def test_the_named_limit_is_accepted(tmp_path, command, limit):
    with pytest.raises(ValueError, match=f"must be at most {limit} for this model"):
        check_command(tmp_path, *command.split(), "sparsity=0.999")
    check_command(tmp_path, *command.split(), f"sparsity={limit}")


# One of each kind of criterion, granularity, allocation and schedule.
KINDS = ("gmp", "layerwise_structured_l1", "rigl", "taylor")


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(path.stem, marks=() if path.stem in KINDS else pytest.mark.slow)
        for path in sorted(STRATEGIES.glob("*.yaml"))
    ],
)
def test_every_strategy_passes_with_its_defaults(tmp_path, strategy):
    check_command(tmp_path, f"strategy={strategy}", "until=dense", "storage=bitmask")


def test_layers_that_stay_unpruned_are_logged(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="compression.run.checks.check_strategy")
    check_command(tmp_path, "strategy=two_four")
    assert [
        record.getMessage() for record in caplog.records if record.name == "compression.run.checks.check_strategy"
    ] == ["prune  two_four leaves 1 layers unpruned: features.0.weight"]


def test_class_groups_can_be_set_on_the_command_line():
    config = compose_config("data.class_groups={low: ['0', '1'], high: ['8', '9']}")
    assert config.data["class_groups"] == {"low": ["0", "1"], "high": ["8", "9"]}
