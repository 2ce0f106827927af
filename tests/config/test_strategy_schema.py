"""The properties that a run derives from its strategy. tests/config/test_schema.py has the refusals."""

import pytest
from runs import compose_config


@pytest.mark.parametrize(
    ("command", "prunes", "compacts", "trains"),
    [
        ("strategy=none", False, False, True),
        ("strategy=iterative_l1", True, True, True),
        ("strategy=iterative_l1 strategy.compact=false", True, False, True),
        ("strategy=oneshot_l1 strategy.recovery.epochs=0", True, True, False),
        ("strategy=oneshot_structured_l2 strategy.recovery.epochs=0 strategy.finetune.epochs=1", True, True, True),
        ("strategy=gmp strategy.recovery.epochs=0 strategy.recovery.lead_epochs=1", True, True, True),
    ],
)
def test_properties_of_a_strategy(command: str, prunes: bool, compacts: bool, trains: bool) -> None:
    strategy = compose_config(*command.split()).strategy
    assert (strategy.prunes, strategy.compacts, strategy.trains) == (prunes, compacts, trains)


@pytest.mark.parametrize(
    ("command", "channels"),
    [
        ("strategy=iterative_l1", False),
        ("strategy=iterative_l1 strategy.target=macs", False),
        ("strategy=iterative_l1 strategy.target=latency", False),
        ("strategy=taylor", True),
        ("strategy=taylor strategy.target=params", True),
        ("strategy=taylor strategy.target=macs", True),
    ],
)
def test_channels_are_removed_or_single_weights(command: str, channels: bool) -> None:
    assert compose_config(*command.split()).strategy.removes_channels == channels


def test_a_strategy_inherits_the_shared_blocks() -> None:
    """A strategy states only its special settings; the others come from conf/strategy/base."""
    strategy = compose_config("strategy=lottery_ticket").strategy
    assert strategy.schedule["steps"] == 3
    assert strategy.recovery.rewind == "early"
    assert strategy.recovery.batch_norm_batches == 10
    assert strategy.criterion["_target_"].endswith("Magnitude")
