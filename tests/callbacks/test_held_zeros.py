import pytest
import torch
from training_parts import OPTIMIZERS

from compression.callbacks.held_zeros import HeldZeros
from compression.core.masks import MaskSet

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


def prune_rows(task):
    """Set the first row of every kernel of the first layer to zero, and return the matching mask."""
    mask = torch.ones_like(task.net[0].weight, dtype=torch.bool)
    mask[:, :, 0] = False
    masks = MaskSet({"0.weight": mask})
    masks.mask_weights_(task.net)
    return masks


@pytest.mark.parametrize("optimizer", ["sgd_momentum", "adamw_amsgrad"])
def test_weights_that_start_at_zero_stay_zero_and_the_rest_trains(fit, make_task, optimizer):
    task = make_task(OPTIMIZERS[optimizer])
    masks = prune_rows(task)
    before = task.net[0].weight.detach().clone()
    fit([HeldZeros(masks)], max_epochs=2, task=task)
    after = task.net[0].weight.detach()
    assert not after[:, :, 0].any()
    assert (after[:, :, 1:] != before[:, :, 1:]).any()


def test_without_the_callback_zeros_would_change(fit, make_task):
    task = make_task()
    prune_rows(task)
    fit([], max_epochs=1, task=task)
    assert task.net[0].weight[:, :, 0].any()
