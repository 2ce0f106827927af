import random
import types

import numpy as np
import torch

from compression.callbacks.epoch_seed import EpochSeed


def draw(epoch, *parts, rank=0):
    trainer = types.SimpleNamespace(current_epoch=epoch, global_rank=rank)
    EpochSeed(*parts).on_train_epoch_start(trainer, None)
    # NumPy's global generator is what a user's own code may draw from.
    return torch.rand(3).tolist(), random.random(), np.random.rand(3).tolist()


def test_an_epoch_draws_the_same_after_any_earlier_draws():
    first = draw(4, 42, "dense")
    torch.rand(100)
    assert draw(4, 42, "dense") == first


def test_epochs_seeds_and_stages_differ():
    draws = [draw(*parts) for parts in [(0, 42, "dense"), (1, 42, "dense"), (0, 43, "dense"), (0, 42, "prune")]]
    assert len({tuple(tensor) for tensor, _, _ in draws}) == 4
    assert len({number for _, number, _ in draws}) == 4


def test_processes_that_train_together_draw_differently():
    assert draw(0, 42, "dense", rank=1) != draw(0, 42, "dense")


def test_prints_nothing(capsys):
    draw(0, 42, "dense")
    output = capsys.readouterr()
    assert output.out + output.err == ""
