import types

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from compression.callbacks.batch_norm_penalty import BatchNormPenalty

quiet = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


def penalize(net, strength):
    BatchNormPenalty(strength).on_before_optimizer_step(None, types.SimpleNamespace(net=net), None)
    return net


def make_net(scales):
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2, affine=False))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor(scales))
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    return net


def test_gradients_of_scales_get_the_strength_with_the_sign_of_the_scale():
    net = penalize(make_net([0.5, -2.0, 0.0, 1e-3]), 0.25)
    assert net[1].weight.grad.tolist() == [1.25, 0.75, 1.0, 1.25]
    assert net[1].weight.tolist() == pytest.approx([0.5, -2.0, 0.0, 1e-3])


def test_nothing_else_is_penalized():
    net = penalize(make_net([1.0] * 4), 0.25)
    for name, parameter in net.named_parameters():
        assert name == "1.weight" or (parameter.grad == 1).all()


def test_frozen_scales_are_not_penalized():
    net = make_net([1.0] * 4)
    net[1].weight.grad = None
    assert penalize(net, 0.25)[1].weight.grad is None


@quiet
def test_a_step_of_descent_moves_scales_towards_zero(fit, make_task):
    """After one update of SGD, scales of 1 are lower by lr * strength than without the penalty."""
    scales = []
    for callbacks in ([], [BatchNormPenalty(0.5)]):
        found = []

        class Spy(Callback):
            def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, found=found):
                del trainer, outputs, batch
                if batch_idx == 0:
                    found.append(pl_module.net[1].weight.detach().clone())

        fit([*callbacks, Spy()], max_epochs=1, task=make_task(dropout=0.0))
        scales.append(found[0])
    torch.testing.assert_close(scales[0] - scales[1], torch.full((8,), 0.1 * 0.5))
