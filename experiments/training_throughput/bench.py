"""Images per second in training: the loop people write, this framework, and a bare step, measured in alternation.

    python experiments/training_throughput/bench.py --data DIR --out results.json --rounds 5

``DIR`` is an image folder with train and test, such as CIFAR-10 as JPEG files. Each row of the result has the median
over rounds of images per second of wall time and of CPU time, and the smallest and largest round:

- plain: torchvision transforms per image (crop, flip, normalize), a DataLoader with two workers, FP32, eager PyTorch
- ours: ``compression.run.training.fit`` with all its callbacks, as a run trains
- without forms: ours, with every convolution as PyTorch computes it
- bf16: ours, with ``trainer.precision=bf16-mixed``, an option that changes results
- bare: one forward, backward and update on a batch in memory, without data, Lightning and callbacks
"""

import argparse
import json
import logging
import multiprocessing
import statistics
import tempfile
import warnings
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from loops import Round, bare_step, our_loop, plain_loop

from compression.config.compose import compose_run
from compression.reporting.provenance import describe_machine, describe_software
from compression.run import context as context_module
from compression.run.context import make_context
from compression.run.workspace import quiet_libraries
from compression.system.spinning import limit_spinning

MODELS = {
    "mobilenet_v2, imagenet stem": ("mobilenet_v2", "imagenet"),
    "mobilenet_v2, cifar stem": ("mobilenet_v2", "cifar"),
    "resnet18": ("resnet18", "cifar"),
    "vgg11": ("vgg11", "cifar"),
}
# The loops, in the order in which they take turns.
KINDS = ("plain", "ours", "without forms", "bf16", "bare")


def make_round(kind: str, overrides: list[str], num_batches: int) -> Round:
    """Return a round of the loop ``kind``, for a run with these ``overrides``."""
    plain = kind in ("plain", "bare")
    # Loops that are not ours leave freed memory to the C library, as any other process does.
    with mock.patch.object(context_module, "keep_freed_memory") if plain else nullcontext():
        context = make_context(*compose_run(overrides))
    machine = context.machine
    if kind == "plain":
        return plain_loop(context, num_batches)
    if kind == "bare":
        return bare_step(context, num_batches)
    # Forms are for float32 on CPUs; another name of the same precision leaves them out.
    precision = {"ours": machine.precision, "without forms": "32", "bf16": "bf16-mixed"}[kind]
    return our_loop(replace(context, machine=replace(machine, precision=precision)), num_batches)


def serve(kind: str, overrides: list[str], num_batches: int, connection: Connection) -> None:
    """Run a round of ``kind`` whenever the connection asks for one, and send (wall, CPU) seconds back."""
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    quiet_libraries()
    run = make_round(kind, overrides, num_batches)
    connection.send(None)
    while connection.recv():
        spent = run()
        connection.send((spent.wall, spent.cpu))


class Loop:
    """A loop in a process of its own, which runs a round whenever it is asked to."""

    def __init__(self, kind: str, overrides: list[str], num_batches: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(kind, overrides, num_batches, theirs), daemon=True)
        self._process.start()
        self._connection.recv()

    def run(self) -> tuple[float, float]:
        """Return the (wall, CPU) seconds of a round."""
        self._connection.send(True)
        wall, cpu = self._connection.recv()
        return wall, cpu

    def end(self) -> None:
        """End the process."""
        self._connection.send(False)
        self._process.join()


def measure(
    overrides: list[str], *, kinds: list[str], num_batches: int, batch: int, rounds: int, apart: bool
) -> dict[str, Any]:
    """Return images per second of each kind of loop. Each has its own process; they run in turn.

    If they are ``apart``, each round has a new process, so that one loop is in memory at a time.
    """
    make = {kind: partial(Loop, kind, overrides, num_batches) for kind in kinds}
    loops = {} if apart else {kind: start() for kind, start in make.items()}
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind in kinds:
            loop = loops.get(kind) or make[kind]()
            found[kind].append(loop.run())
            if apart:
                loop.end()
    for loop in loops.values():
        loop.end()
    images = num_batches * batch
    row: dict[str, Any] = {}
    for kind, spent in found.items():
        wall = sorted(images / seconds for seconds, _ in spent)
        cpu = statistics.median(images / seconds for _, seconds in spent)
        row[kind] = {"wall": statistics.median(wall), "smallest": wall[0], "largest": wall[-1], "cpu": cpu}
    pairs = [plain / ours for (plain, _), (ours, _) in zip(found["plain"], found["ours"], strict=True)]
    row["ours over plain"] = {"median": statistics.median(pairs), "smallest": min(pairs), "largest": max(pairs)}
    return row


def main() -> None:
    """Measure every combination and write the rows so far after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS, help="plain and ours among them")
    parser.add_argument("--batch", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--images", type=int, default=2048, help="images per round")
    parser.add_argument("--apart", action="store_true", help="one process at a time, for large batches")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    # Every process inherits this. Spinning threads of OpenMP would take the time of the workers of the plain loop.
    limit_spinning()
    rows = []
    with tempfile.TemporaryDirectory() as outputs:
        for name in args.models:
            model, stem = MODELS[name]
            for batch in args.batch:
                for threads in args.threads:
                    overrides = [
                        *("data=image_folder", f"data.root={args.data}", f"model={model}", f"data.stem={stem}"),
                        *(f"data.batch_size={batch}", f"threads={threads}", "strategy=none", "logger=csv"),
                        *(f"output_dir={outputs}", "trainer.accelerator=cpu"),
                    ]
                    num_batches = max(2, args.images // batch)
                    row = measure(overrides, kinds=args.kinds, num_batches=num_batches, batch=batch, rounds=args.rounds)
                    rows.append({"model": name, "batch": batch, "threads": threads, **row})
                    shown = {key: round(value["wall"]) for key, value in row.items() if "wall" in value}
                    print(name, batch, threads, shown, round(row["ours over plain"]["median"], 2), flush=True)
                    document = {"machine": describe_machine(), "software": describe_software(), "rows": rows}
                    args.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
