"""Tests that a training holds its turn only during batches, and releases it however it ends."""

from functools import partial

import pytest
from lightning.pytorch import Callback

from compression.callbacks.turn_taking import TakesTurns

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


class Recorded:
    """A substitute for ``Turns`` that shows whether the turn is held."""

    def __init__(self):
        self.held = False
        self.num_taken = 0

    def take(self):
        self.held = True
        self.num_taken += 1

    def leave(self):
        self.held = False


class Watch(Callback):
    """A recorder of the hooks in which the turn is held; it must come after the callback that takes the turn."""

    def __init__(self, turns):
        self.turns = turns
        self.seen = {}

    def note(self, where, *_):
        self.seen.setdefault(where, set()).add(self.turns.held)

    def __getattribute__(self, name):
        if name in ("on_train_batch_start", "on_validation_batch_end", "on_validation_end", "on_train_epoch_end"):
            return partial(self.note, name)
        return super().__getattribute__(name)


def test_the_turn_is_held_only_during_batches(make_task, make_batches, make_trainer):
    turns = Recorded()
    watch = Watch(turns)
    trainer = make_trainer([TakesTurns(turns), watch], max_epochs=2)
    trainer.fit(make_task(), make_batches(), make_batches("val"))
    assert watch.seen == {
        "on_train_batch_start": {True},
        "on_validation_batch_end": {True},
        "on_validation_end": {False},
        "on_train_epoch_end": {False},
    }
    # Three batches of training and two of validation, twice.
    assert turns.num_taken == 10
    assert not turns.held


class Fails(Callback):
    def on_train_batch_end(self, *_):
        raise RuntimeError("enough")


def test_an_error_releases_the_turn(make_task, make_batches, make_trainer):
    turns = Recorded()
    trainer = make_trainer([TakesTurns(turns), Fails()], max_epochs=1)
    with pytest.raises(RuntimeError, match="enough"):
        trainer.fit(make_task(), make_batches(), make_batches("val"))
    assert turns.num_taken == 1
    assert not turns.held
