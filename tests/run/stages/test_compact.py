"""Compaction removes channels that no weight reads; the network computes the same as the masked one."""

import pytest

# Without recovery, the removed channels depend only on the weights of the dense model.
ONCE = "strategy=oneshot_structured_l2 strategy.recovery.epochs=0"


@pytest.mark.parametrize("target", ["params", "macs"])
def test_half_of_the_parameters_or_macs_are_removed(shared, target):
    made = shared(f"{ONCE} strategy.target={target} until=compact")["compact"]
    before, after = made.results["parameters" if target == "params" else "macs"]
    assert after <= before / 2
    # Removing the next 8 channels as well would be too much.
    assert after > before / 4


def test_protected_layers_keep_their_channels(shared):
    made = shared(f"{ONCE} strategy.protect=[first] sparsity=0.4 until=compact")["compact"]
    assert list(made.results["channels"]) == ["features.3"]


def test_masks_that_empty_no_channel_leave_the_network_unchanged(shared):
    made = shared("strategy=oneshot_l1 sparsity=0.1 strategy.recovery.epochs=0 until=compact")["compact"]
    assert made.results == {"compacted": False, "channels": {}, "reason": "no channel is without a reader"}


def test_channels_emptied_by_weight_masks_are_removed(shared):
    floor = "strategy.allocation.floor=0"
    stages = shared(f"strategy=oneshot_l1 sparsity=0.99 {floor} strategy.recovery.epochs=0 until=compact")
    made = stages["compact"]
    assert made.results["compacted"]
    assert all(new % 8 == 0 for _, new in made.results["channels"].values())
    assert made.results["difference"] <= 1e-5
    assert stages["prune"].results["sparsity"] == pytest.approx(0.99, abs=1e-4)
