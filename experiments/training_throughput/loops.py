"""Loops that train for a few batches and say how long they took: one that people write, this framework's, a bare step.

Every function returns a round: a function that runs the loop once, on the device of its context, and returns the time.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil
import torch
from lightning.pytorch import Callback
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from compression.core.learning_rate import warmup_cosine
from compression.run.context import Context
from compression.run.training import fit as fit_module
from compression.run.training.fit import fit
from compression.run.training.task import make_task


def num_warmup(device: torch.device) -> int:
    """Return the number of batches at the start of a round that are not timed. CUDA first loads its kernels."""
    return 10 if device.type == "cuda" else 2


class Spent:
    """Wall and CPU seconds of this process and its children between ``start`` and ``stop``, with ``device`` idle."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def start(self) -> None:
        """Begin to count, once the device has done its earlier work."""
        self._synchronize()
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def stop(self) -> None:
        """Note the seconds since ``start``, once the device has done all work."""
        self._synchronize()
        self.wall, self.cpu = time.perf_counter() - self._wall, _cpu_seconds() - self._cpu

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _cpu_seconds() -> float:
    process = psutil.Process()
    # The times of a process hold those of its children that have ended.
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


Round = Callable[[], Spent]


class PlainImages(Dataset[tuple[torch.Tensor, int]]):
    """Images as torchvision's CIFAR10 gives them: an array becomes a PIL image, then each transform runs on it."""

    def __init__(self, context: Context) -> None:
        images = context.data.images
        assert isinstance(images.train.images, torch.Tensor)
        self._pixels = np.ascontiguousarray(images.train.images.permute(0, 2, 3, 1).numpy())
        self._labels = images.train.labels.tolist()
        size = images.image_size
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(size, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(images.mean, images.std),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._pixels[index])), self._labels[index]


def _sgd(context: Context, net: nn.Module) -> torch.optim.Optimizer:
    settings = context.config.training.optimizer
    return torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=settings["weight_decay"])


def plain_loop(context: Context, num_batches: int) -> Round:
    """Return a round of the loop people write."""
    device, warmup = context.machine.device, num_warmup(context.machine.device)
    net = context.build_model().to(device).train()
    optimizer = _sgd(context, net)
    loader = DataLoader(
        PlainImages(context),
        batch_size=context.data.batch_size,
        shuffle=True,
        num_workers=2,
        pin_memory=device.type == "cuda",
    )

    def run() -> Spent:
        spent = Spent(device)
        for number, (images, labels) in enumerate(islice(loader, num_batches + warmup)):
            if number == warmup:
                spent.start()
            optimizer.zero_grad()
            cross_entropy(net(images.to(device)), labels.to(device)).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            # Before the loop ends, because its end waits for the workers.
            if number == warmup + num_batches - 1:
                spent.stop()
        return spent

    return run


class _Timed(Callback):
    def __init__(self, num_batches: int, device: torch.device) -> None:
        self.spent, self._num_batches, self._warmup = Spent(device), num_batches, num_warmup(device)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        del trainer, pl_module, batch
        if batch_idx == self._warmup:
            self.spent.start()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        del pl_module, outputs, batch
        if batch_idx == self._warmup + self._num_batches - 1:
            self.spent.stop()
            trainer.should_stop = True


@contextmanager
def _few_batches(num_batches: int) -> Iterator[None]:
    """Limit the epochs of trainers that are made within the block, and leave validation out."""
    limited = partial(fit_module.make_trainer, limit_train_batches=num_batches, limit_val_batches=1)
    with mock.patch.object(fit_module, "make_trainer", limited):
        yield


def our_loop(context: Context, num_batches: int) -> Round:
    """Return a round of this framework's training: Lightning, logger, checkpoint, all callbacks."""
    device = context.machine.device

    def run() -> Spent:
        timed = _Timed(num_batches, device)
        with tempfile.TemporaryDirectory() as folder, _few_batches(num_batches + num_warmup(device)):
            (Path(folder) / "resume").mkdir()
            factor = partial(warmup_cosine, num_updates=1000, num_warmup=10, floor=0.1)
            task = make_task(context, context.build_model(), factor, lr=0.01)
            fit(context, "dense", Path(folder), task, num_epochs=1, callbacks=[timed])
        return timed.spent

    return run


def bare_step(
    context: Context,
    num_batches: int,
    *,
    dtype: torch.dtype | None = None,
    memory_format: torch.memory_format = torch.channels_last,
    compile_mode: str | None = None,
) -> Round:
    """Return a round of steps on one batch in memory, without data, Lightning and callbacks.

    With ``dtype`` the forward pass runs under autocast to it. ``compile_mode`` is a mode of ``torch.compile``, such as
    ``reduce-overhead``, which records CUDA graphs; without it the network runs eagerly.
    """
    device, warmup = context.machine.device, num_warmup(context.machine.device)
    net = context.build_model().to(device, memory_format=memory_format).train()  # type: ignore[call-overload]
    optimizer = _sgd(context, net)
    images, labels = next(iter(context.data.train_batches()))
    images = images.contiguous(memory_format=memory_format)
    forward = torch.compile(net, mode=compile_mode) if compile_mode else net

    def run() -> Spent:
        spent = Spent(device)
        for number in range(num_batches + warmup):
            if number == warmup:
                spent.start()
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype) if dtype else nullcontext():
                loss = cross_entropy(forward(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        spent.stop()
        return spent

    return run
