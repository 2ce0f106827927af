from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from compression.callbacks.progressive_size import ProgressiveSize, list_sizes, size_of_epoch
from compression.tasks.classification import Classification, network

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


class SizesSeen(Callback):
    """The heights of the images that reach the network in training and in validation, epoch by epoch."""

    def __init__(self):
        self.training, self.validation = [], []

    def on_fit_start(self, trainer, pl_module):
        del trainer
        net = network(pl_module)
        net.register_forward_pre_hook(
            lambda module, inputs: (self.training if module.training else self.validation).append(inputs[0].shape[-2:])
        )


def sizes(full, num_epochs, first):
    return [size_of_epoch(full, epoch=epoch, num_epochs=num_epochs, first=first) for epoch in range(num_epochs)]


def test_the_size_grows_in_steps_of_four_pixels_and_is_full_for_the_last_fifth():
    assert sizes(32, 10, 0.5) == [16, 16, 20, 24, 24, 24, 28, 32, 32, 32]
    assert sizes(224, 5, 0.5) == [112, 140, 168, 196, 224]


def test_a_size_is_never_larger_than_the_images_and_never_below_four():
    assert sizes(9, 4, 0.1) == [4, 4, 8, 9]
    assert sizes(3, 2, 0.5) == [3, 3]


@pytest.mark.parametrize("expected", [[32], [16, 32], [16, 24, 32], [16, 20, 28, 32]])
def test_the_last_of_few_epochs_has_full_images(expected):
    assert sizes(32, len(expected), 0.5) == expected
    assert list_sizes(32, num_epochs=len(expected), first=0.5) == expected


def make_task(net):
    return Classification(net, num_classes=3, optimizer=partial(torch.optim.SGD, lr=0.01), lr_factor=lambda _: 1.0)


def test_only_training_images_are_smaller(fit):
    seen = SizesSeen()
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    task = make_task(net)
    fit([ProgressiveSize(0.5), seen], task=task, max_epochs=5)
    heights = [height for height, _ in seen.training[::3]]
    assert heights == [4, 4, 4, 4, 6]
    assert set(seen.validation) == {(6, 6)}
    assert task.resize is None
