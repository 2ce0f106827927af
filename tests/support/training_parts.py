"""Strategies for a tiny network, and callbacks that watch or kill a training."""

from functools import partial

import torch
from lightning.pytorch import Callback

from compression.core.selection import prunable_weights
from compression.pruning.allocations.global_ import Global
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.granularities.weights import Weights
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.strategy import Strategy, find_units
from compression.tasks.classification import network

EXAMPLE = torch.zeros(2, 3, 6, 6)
OPTIMIZERS = {
    "sgd_momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd_nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": partial(torch.optim.Adam, lr=0.01, weight_decay=0.01),
    "adam_fused": partial(torch.optim.Adam, lr=0.01, fused=True),
    "adamw_amsgrad": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, amsgrad=True),
}


def make_strategy(
    net, *, amount=0.8, schedule=None, criterion=None, granularity=None, target="weights", regrowth=None, floor=1
):
    return Strategy(
        criterion=criterion or Magnitude(),
        units=find_units(granularity or Weights(), net, example=EXAMPLE, amount=amount, target=target),
        allocation=Global(floor=floor),
        schedule=schedule or Geometric(steps=2),
        amount=amount,
        seed=5,
        example=EXAMPLE,
        regrowth=regrowth,
    )


class ZeroWatch(Callback):
    """A check in every batch that pruned weights and their optimizer state are zero. Must come after the pruning."""

    def __init__(self, pruning):
        self.pruning = pruning
        # (update, pruned weights, whether the optimizer had a state) at every change of the masks.
        self.changes = []
        # Masks before and after each change.
        self.masks = [{name: mask.clone() for name, mask in pruning.masks.items()}]
        self.num_updates = 0
        self.num_moments = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        del pl_module, batch, batch_idx
        if any(not torch.equal(mask, self.masks[-1][name]) for name, mask in self.pruning.masks.items()):
            masks = self.pruning.masks
            self.masks.append({name: mask.clone() for name, mask in masks.items()})
            had_state = bool(trainer.optimizers[0].state)
            self.changes.append((trainer.global_step, masks.num_weights - masks.num_kept, had_state))
        self.check(trainer)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        del pl_module, outputs, batch, batch_idx
        self.num_updates += 1
        self.check(trainer)

    def check(self, trainer):
        (optimizer,) = trainer.optimizers
        net = network(trainer.lightning_module)
        parameters, weights = dict(net.named_parameters()), prunable_weights(net)
        for name, mask in self.pruning.masks.items():
            parameter = parameters[name]
            assert torch.equal(parameter[~mask], torch.zeros(int((~mask).sum()))), name
            assert parameter.isfinite().all()
            for value in optimizer.state.get(parameter, {}).values():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                    assert not value[~mask].any(), name
                    assert value.any() or name not in weights
                    self.num_moments += 1


class AtStep(Callback):
    """Call of ``look(trainer, net)`` before each update that follows a pruning step. Must come after the pruning."""

    def __init__(self, pruning, look):
        self.pruning, self.look = pruning, look
        self.num_looks = 0

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        del batch, batch_idx
        if trainer.global_step in self.pruning.step_updates:
            self.num_looks += 1
            self.look(trainer, network(pl_module))


class RankAt(Callback):
    """Record of the masks that one-shot pruning would make before ``update``. Must come before the pruning."""

    def __init__(self, update, pruning):
        self.update, self.pruning = update, pruning

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        del batch, batch_idx
        if trainer.global_step == self.update:
            net = network(pl_module)
            self.sparsity_before = 1 - sum(int(w.count_nonzero()) for w in net.parameters()) / sum(
                w.numel() for w in net.parameters()
            )
            self.masks = self.pruning.strategy.masks_at(1, net, masks=self.pruning.masks)


class KilledError(Exception):
    """The simulated death of a process."""


class KillAt(Callback):
    """Callback that raises ``KilledError`` at batch ``batch`` of epoch ``epoch``."""

    def __init__(self, epoch, batch):
        self.place = (epoch, batch)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        del pl_module, batch
        if (trainer.current_epoch, batch_idx) == self.place:
            raise KilledError


def copy_tensors(tensors):
    return {name: value.detach().clone() for name, value in tensors.items()}


def assert_equal_states(actual, expected):
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert torch.equal(actual[name], value), name
