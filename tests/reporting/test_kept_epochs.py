"""The epochs of the network in a file whose pruning stopped."""

import pytest

from compression.pruning.timeline import Timeline
from compression.reporting.kept_epochs import count_kept
from compression.reporting.metrics_schema import Step


def make_steps(timeline, num):
    updates = timeline.step_updates[:num]
    return [Step(step=number + 1, sparsity=0.1 * number, update=update) for number, update in enumerate(updates)]


@pytest.mark.parametrize(("lead", "epochs"), [(0, 1), (0, 7), (3, 2)])
@pytest.mark.parametrize("num", [2, 3, 5])
def test_the_rejected_step_does_not_count(lead, epochs, num):
    """The last of ``num`` steps was rejected, after its recovery."""
    timeline = Timeline(num_steps=5, updates_per_epoch=21, epochs=epochs, lead_epochs=lead)
    trained = {"dense": 8, "prune": lead + num * epochs, "finetune": 4}
    kept = count_kept(trained, make_steps(timeline, num), stopped=True)
    assert kept == {"dense": 8, "prune": lead + (num - 1) * epochs, "finetune": 4}
    assert count_kept(trained, make_steps(timeline, num), stopped=False) == trained


def test_a_first_step_that_is_rejected_leaves_the_network_from_before_pruning():
    timeline = Timeline(num_steps=5, updates_per_epoch=21, epochs=2, lead_epochs=3)
    assert count_kept({"dense": 8, "prune": 5}, make_steps(timeline, 1), stopped=True) == {"dense": 8, "prune": 0}


def test_steps_without_their_updates_do_not_tell():
    steps = [Step(step=1, sparsity=0.5), Step(step=2, sparsity=0.7)]
    assert count_kept({"dense": 8, "prune": 4}, steps, stopped=True) is None
    assert count_kept({"dense": 8}, steps, stopped=True) == {"dense": 8}
