import copy
from functools import partial

import pytest
import torch
from torch import nn

from compression.core.label_loss import LabelLoss
from compression.tasks.classification import Classification, network


def make_task(net=None, **settings):
    net = net or nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    return Classification(
        net,
        num_classes=3,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        lr_factor=lambda update: 1 / (1 + update),
        **settings,
    )


class FixedLogits(nn.Module):
    def forward(self, images):
        return torch.log(torch.tensor([[0.7, 0.2, 0.1]])).expand(len(images), 3)


def logged(task, monkeypatch):
    values = {}
    monkeypatch.setattr(task, "log", lambda name, value, **_: values.__setitem__(name, value))
    return values


def test_loss_by_hand(monkeypatch):
    task = make_task(FixedLogits())
    values = logged(task, monkeypatch)
    batch = torch.zeros(2, 3, 2, 2), torch.tensor([0, 2])
    loss = task.training_step(batch, 0)
    assert float(loss) == pytest.approx(-(torch.tensor([0.7, 0.1]).log().mean().item()))
    assert values["train/loss"] is loss
    assert float(values["train/accuracy"].compute()) == 0.5


def test_label_smoothing_affects_only_the_training_loss(monkeypatch):
    task = make_task(FixedLogits(), label_loss=LabelLoss(label_smoothing=0.3))
    values = logged(task, monkeypatch)
    batch = torch.zeros(1, 3, 2, 2), torch.tensor([0])
    # Targets 0.8, 0.1, 0.1.
    expected = -(torch.tensor([0.8, 0.1, 0.1]) * torch.tensor([0.7, 0.2, 0.1]).log()).sum().item()
    assert float(task.training_step(batch, 0)) == pytest.approx(expected)
    task.validation_step(batch, 0)
    assert float(values["val/loss"]) == pytest.approx(-(torch.tensor(0.7).log().item()))
    assert float(values["val/accuracy"].compute()) == 1


def test_another_monitor_is_logged_beside_accuracy(monkeypatch):
    task = make_task(FixedLogits(), monitor="balanced_accuracy")
    values = logged(task, monkeypatch)
    task.validation_step((torch.zeros(4, 3, 2, 2), torch.tensor([0, 0, 0, 2])), 0)
    assert float(values["val/accuracy"].compute()) == 0.75
    # Class 0 has recall 1, class 2 has 0, class 1 has no image.
    assert float(values["val/balanced_accuracy"].compute()) == 0.5


def test_without_another_monitor_nothing_more_is_logged(monkeypatch):
    task = make_task(FixedLogits())
    values = logged(task, monkeypatch)
    task.validation_step((torch.zeros(1, 3, 2, 2), torch.tensor([0])), 0)
    assert set(values) == {"val/loss", "val/accuracy"}


def test_optimizer_and_schedule():
    task = make_task()
    made = task.configure_optimizers()
    assert made["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(3):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.5, 0.25, 0.5 / 3])


@pytest.mark.parametrize(
    "optimizer",
    [
        partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        partial(torch.optim.Adam, lr=0.1),
        partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
    ],
)
def test_updates_of_all_tensors_at_once_have_the_bits_of_single_updates(optimizer):
    task = make_task(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(32, 3)))
    alone = copy.deepcopy(task)
    task.optimizer_factory = optimizer
    together, single = task.configure_optimizers()["optimizer"], optimizer(alone.parameters(), foreach=False)
    assert together.param_groups[0]["foreach"] is True
    for _ in range(5):
        for ours, theirs in zip(task.parameters(), alone.parameters(), strict=True):
            ours.grad = torch.randn_like(ours)
            theirs.grad = ours.grad.clone()
        together.step()
        single.step()
    assert all(torch.equal(*pair) for pair in zip(task.parameters(), alone.parameters(), strict=True))


def test_a_configured_kind_of_update_is_kept():
    task = make_task()
    task.optimizer_factory = partial(torch.optim.SGD, lr=0.1, foreach=False)
    assert task.configure_optimizers()["optimizer"].param_groups[0]["foreach"] is False


def test_parameters_keep_plain_names():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    names = list(net.state_dict())
    task = make_task(net)
    assert network(task) is net
    assert list(network(task).state_dict()) == names
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_forward_is_the_network():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    images = torch.randn(2, 3, 8, 8)
    expected = net(images)
    torch.testing.assert_close(make_task(net)(images), expected)
