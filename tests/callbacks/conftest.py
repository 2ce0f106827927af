import os
from functools import partial

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn
from training_parts import make_strategy

from compression.callbacks.best_weights import BestWeights
from compression.callbacks.pruning import PruningCallback
from compression.callbacks.step_recorder import StepRecorder
from compression.core.class_scores import Validated
from compression.core.eval_mode import evaluating
from compression.core.learning_rate import repeated_cosine
from compression.data.augment import Augment
from compression.data.base import Split
from compression.data.batches import Batches
from compression.tasks.classification import Classification

NUM_UPDATES = 3


@pytest.fixture(autouse=True)
def leave_no_trace():
    """Restore the random state and the environment variables that Lightning's seeding sets."""
    state, environment = torch.get_rng_state(), dict(os.environ)
    yield
    torch.set_rng_state(state)
    os.environ.clear()
    os.environ.update(environment)


def make_split(num_images, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_images) % 3
    images = torch.randint(0, 128, (num_images, 3, 6, 6), generator=generator)
    # Each class is brighter in a channel of its own.
    images[torch.arange(num_images), labels] += 100
    return Split(images.to(torch.uint8), labels)


@pytest.fixture
def make_batches():
    """Return a function that makes three shuffled, augmented training batches per epoch, or two validation batches."""

    def make(part="train", *, augment=True):
        train = part == "train"
        return Batches(
            split=make_split(24 if train else 12, seed=1 if train else 2),
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            batch_size=8 if train else 6,
            device="cpu",
            augment=Augment(crop_padding=1, horizontal_flip=True) if train and augment else None,
            shuffle=train,
            seed=3,
        )

    return make


@pytest.fixture
def make_task():
    """Return a function that makes a task with a tiny convolutional network with batch norm and dropout."""

    def make(optimizer=None, *, dropout=0.25, cycle=NUM_UPDATES):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=8, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(8, 3),
        )
        return Classification(
            net,
            num_classes=3,
            optimizer=optimizer or partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=1e-2),
            lr_factor=partial(repeated_cosine, cycle=cycle, floor=0.01),
        )

    return make


@pytest.fixture
def make_trainer(tmp_path):
    """Return a function that makes a Trainer on the CPU that prints nothing."""

    def make(callbacks, *, max_epochs, **settings):
        settings = {"logger": False, "enable_checkpointing": False} | settings
        return Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=max_epochs,
            callbacks=callbacks,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            default_root_dir=tmp_path,
            **settings,
        )

    return make


@pytest.fixture
def fit(make_task, make_trainer, make_batches):
    """Return a function that trains the tiny network with ``callbacks`` and returns (task, trainer)."""

    def run(callbacks, *, max_epochs, task=None, ckpt_path=None, **settings):
        task = task or make_task()
        trainer = make_trainer(callbacks, max_epochs=max_epochs, **settings)
        trainer.fit(task, make_batches(), make_batches("val"), ckpt_path=ckpt_path, weights_only=True)
        return task, trainer

    return run


@pytest.fixture
def measure(make_batches):
    """Return a function that measures the accuracy of a network on the validation batches, as the stage does."""

    @torch.no_grad()
    def run(net):
        with evaluating(net):
            hits = torch.cat([net(images).argmax(1) == labels for images, labels in make_batches("val")])
        return Validated(float(hits.float().mean()))

    return run


@pytest.fixture
def make_pruning(make_batches, make_task, measure):
    """Return a function that makes a callback pruning before ``step_updates``; ``written`` keeps weights by step."""

    def make(
        *, step_updates=(0, NUM_UPDATES), num_batches=2, rewind_to=None, lowest=None, written=None, net=None, **settings
    ):
        written = {} if written is None else written
        pruning = PruningCallback(
            make_strategy(net or make_task().net, **settings),
            step_updates=list(step_updates),
            batches=make_batches(augment=False),
            norm_batches=make_batches(augment=True),
            num_batches=num_batches,
            recorder=StepRecorder(BestWeights(), measure=measure, write=written.__setitem__, lowest=lowest),
            rewind_to=rewind_to,
        )
        pruning.written = written
        return pruning

    return make


@pytest.fixture
def prune(fit):
    """Return a function that trains with ``pruning`` as the prune stage does.

    The recorder and the best weights come after the pruning callback, then the callbacks ``after``.
    """

    def run(pruning, after=(), *, before=(), **settings):
        recorder = pruning.recorder
        task, trainer = fit([*before, pruning, recorder, recorder.best, *after], **settings)
        recorder.finish_step(task.net, pruning.masks)
        return task, trainer

    return run
