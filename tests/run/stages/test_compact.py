"""Channels that nothing reads are gone, and the network computes what the masked one does."""

import pytest

# What is removed hangs on the weights that pruning begins with.
ONCE = "strategy=oneshot_structured_l2 strategy.recovery.epochs=0"


@pytest.mark.parametrize("target", ["params", "macs"])
def test_half_of_what_is_asked_for_is_gone(shared, target):
    made = shared(f"{ONCE} strategy.target={target} until=compact")["compact"]
    before, after = made.results["parameters" if target == "params" else "macs"]
    assert after <= before / 2
    # The next multiples of eight would be too many.
    assert after > before / 4


def test_what_is_protected_stays(shared):
    made = shared(f"{ONCE} strategy.protect=[first] sparsity=0.4 until=compact")["compact"]
    assert list(made.results["channels"]) == ["features.3"]


def test_single_weights_that_empty_no_channel_leave_the_network_as_it_is(shared):
    made = shared("strategy=oneshot_l1 sparsity=0.1 strategy.recovery.epochs=0 until=compact")["compact"]
    assert made.results == {"compacted": False, "channels": {}, "reason": "no channel is without a reader"}


def test_single_weights_that_empty_channels_take_them_along(shared):
    floor = "strategy.allocation.floor=0"
    stages = shared(f"strategy=oneshot_l1 sparsity=0.99 {floor} strategy.recovery.epochs=0 until=compact")
    made = stages["compact"]
    assert made.results["compacted"]
    assert all(new % 8 == 0 for _, new in made.results["channels"].values())
    assert made.results["difference"] <= 1e-5
    assert stages["prune"].results["sparsity"] == pytest.approx(0.99, abs=1e-4)
