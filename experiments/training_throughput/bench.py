"""Images per second in training: the loop people write, this framework, and a bare step, measured in alternation.

    python experiments/training_throughput/bench.py --data DIR --out results.json --rounds 5

``DIR`` is an image folder with train and test, such as CIFAR-10 as JPEG files. Each row of the result has the median
over rounds of images per second of wall time and of CPU time, and the smallest and largest round:

- plain: torchvision transforms per image (crop, flip, normalize), a DataLoader with two workers, FP32, eager PyTorch
- ours: ``compression.run.training.fit`` with all its callbacks, as a run trains
- without forms: ours, with every convolution as PyTorch computes it
- bare: one forward, backward and update on a batch in memory, without data, Lightning and callbacks
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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

from compression.config.compose import compose_run
from compression.core.learning_rate import warmup_cosine
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import Context, make_context
from compression.run.training import fit as fit_module
from compression.run.training.fit import fit
from compression.run.training.task import make_task
from compression.run.workspace import quiet_libraries

MODELS = {
    "mobilenet_v2, imagenet stem": ("mobilenet_v2", "imagenet"),
    "mobilenet_v2, cifar stem": ("mobilenet_v2", "cifar"),
    "resnet18": ("resnet18", "cifar"),
    "vgg11": ("vgg11", "cifar"),
}
# Batches that are not timed at the start of each round.
_WARMUP = 2


class Spent:
    """Wall and CPU seconds of this process and its children between ``start`` and ``stop``."""

    def start(self) -> None:
        """Begin to count."""
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds()

    def stop(self) -> None:
        """Note the seconds since ``start``."""
        self.wall, self.cpu = time.perf_counter() - self._wall, _cpu_seconds() - self._cpu


def _cpu_seconds() -> float:
    process = psutil.Process()
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


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


def _step(net: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer.zero_grad()
    cross_entropy(net(images), labels).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


def plain_loop(context: Context, num_batches: int) -> Callable[[], Spent]:
    """Return a round of the loop people write."""
    net = context.build_model().train()
    optimizer = _sgd(context, net)
    loader = DataLoader(PlainImages(context), batch_size=context.data.batch_size, shuffle=True, num_workers=2)

    def run() -> Spent:
        spent = Spent()
        for number, (images, labels) in enumerate(islice(loader, num_batches + _WARMUP)):
            if number == _WARMUP:
                spent.start()
            _step(net, optimizer, images, labels)
        spent.stop()
        return spent

    return run


class _Timed(Callback):
    def __init__(self, num_batches: int) -> None:
        self.spent, self._num_batches = Spent(), num_batches

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        del trainer, pl_module, batch
        if batch_idx == _WARMUP:
            self.spent.start()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        del pl_module, outputs, batch
        if batch_idx == _WARMUP + self._num_batches - 1:
            self.spent.stop()
            trainer.should_stop = True


@contextmanager
def _few_batches(num_batches: int) -> Iterator[None]:
    """Limit the epochs of trainers that are made within the block, and leave validation out."""
    limited = partial(fit_module.make_trainer, limit_train_batches=num_batches + _WARMUP, limit_val_batches=1)
    with mock.patch.object(fit_module, "make_trainer", limited):
        yield


def our_loop(context: Context, num_batches: int, *, forms: bool) -> Callable[[], Spent]:
    """Return a round of this framework's training: Lightning, logger, checkpoint, all callbacks."""
    # Forms are for float32 on CPUs; another name of the same precision leaves them out.
    shown = context if forms else replace(context, machine=replace(context.machine, precision="32"))

    def run() -> Spent:
        timed = _Timed(num_batches)
        with tempfile.TemporaryDirectory() as folder, _few_batches(num_batches):
            (Path(folder) / "resume").mkdir()
            factor = partial(warmup_cosine, num_updates=1000, num_warmup=10, floor=0.1)
            task = make_task(shown, shown.build_model(), factor, lr=0.01)
            fit(shown, "dense", Path(folder), task, num_epochs=1, callbacks=[timed])
        return timed.spent

    return run


def bare_step(context: Context, num_batches: int) -> Callable[[], Spent]:
    """Return a round of steps on one batch in memory, in channels_last."""
    net = context.build_model().train().to(memory_format=torch.channels_last)
    optimizer = _sgd(context, net)
    images, labels = next(iter(context.data.train_batches()))

    def run() -> Spent:
        spent = Spent()
        for number in range(num_batches + _WARMUP):
            if number == _WARMUP:
                spent.start()
            _step(net, optimizer, images, labels)
        spent.stop()
        return spent

    return run


def measure(context: Context, *, num_batches: int, rounds: int) -> dict[str, Any]:
    """Return images per second of every kind of loop, all measured in turn in every round."""
    loops = {
        "plain": plain_loop(context, num_batches),
        "ours": our_loop(context, num_batches, forms=True),
        "without forms": our_loop(context, num_batches, forms=False),
        "bare": bare_step(context, num_batches),
    }
    found: dict[str, list[Spent]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            found[name].append(loop())
    images = num_batches * context.data.batch_size
    row: dict[str, Any] = {}
    for name, spent in found.items():
        wall = sorted(images / one.wall for one in spent)
        cpu = statistics.median(images / one.cpu for one in spent)
        row[name] = {"wall": statistics.median(wall), "smallest": wall[0], "largest": wall[-1], "cpu": cpu}
    pairs = [plain.wall / ours.wall for plain, ours in zip(found["plain"], found["ours"], strict=True)]
    row["ours over plain"] = {"median": statistics.median(pairs), "smallest": min(pairs), "largest": max(pairs)}
    return row


def main() -> None:
    """Measure every combination and write the rows so far after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--batch", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--images", type=int, default=2048, help="images per round")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    quiet_libraries()
    rows = []
    with tempfile.TemporaryDirectory() as outputs:
        for name in args.models:
            model, stem = MODELS[name]
            for batch in args.batch:
                for threads in args.threads:
                    config, run_dir = compose_run(
                        [
                            *("data=image_folder", f"data.root={args.data}", f"model={model}", f"data.stem={stem}"),
                            *(f"data.batch_size={batch}", f"threads={threads}", "strategy=none", "logger=csv"),
                            *(f"output_dir={outputs}", "trainer.accelerator=cpu"),
                        ]
                    )
                    context = make_context(config, run_dir)
                    num_batches = max(2, args.images // batch)
                    row = measure(context, num_batches=num_batches, rounds=args.rounds)
                    rows.append({"model": name, "batch": batch, "threads": threads, **row})
                    shown = {key: round(value["wall"]) for key, value in row.items() if "wall" in value}
                    print(name, batch, threads, shown, round(row["ours over plain"]["median"], 2), flush=True)
                    document = {"machine": describe_machine(), "software": describe_software(), "rows": rows}
                    args.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
