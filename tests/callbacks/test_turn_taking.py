"""A training holds its turn in batches alone, and leaves it whatever ends it."""

from functools import partial

import pytest
from lightning.pytorch import Callback

from compression.callbacks.turn_taking import TakesTurns

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


class Recorded:
    """Stands in for ``Turns``; says whether the turn is held."""

    def __init__(self):
        self.held = False
        self.num_taken = 0

    def take(self):
        self.held = True
        self.num_taken += 1

    def leave(self):
        self.held = False


class Watch(Callback):
    """Notes where the turn is held; to stand after the one that takes it."""

    def __init__(self, turns):
        self.turns = turns
        self.seen = {}

    def note(self, where, *_):
        self.seen.setdefault(where, set()).add(self.turns.held)

    def __getattribute__(self, name):
        if name in ("on_train_batch_start", "on_validation_batch_end", "on_validation_end", "on_train_epoch_end"):
            return partial(self.note, name)
        return super().__getattribute__(name)


def test_it_is_held_in_batches_alone(make_task, make_batches, make_trainer):
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


def test_what_fails_leaves_it(make_task, make_batches, make_trainer):
    turns = Recorded()
    trainer = make_trainer([TakesTurns(turns), Fails()], max_epochs=1)
    with pytest.raises(RuntimeError, match="enough"):
        trainer.fit(make_task(), make_batches(), make_batches("val"))
    assert turns.num_taken == 1
    assert not turns.held
