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
import statistics
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from loops import Spent, bare_step, our_loop, plain_loop

from compression.config.compose import compose_run
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import Context, make_context
from compression.run.workspace import quiet_libraries

MODELS = {
    "mobilenet_v2, imagenet stem": ("mobilenet_v2", "imagenet"),
    "mobilenet_v2, cifar stem": ("mobilenet_v2", "cifar"),
    "resnet18": ("resnet18", "cifar"),
    "vgg11": ("vgg11", "cifar"),
}


def measure(context: Context, *, num_batches: int, rounds: int) -> dict[str, Any]:
    """Return images per second of every kind of loop, all measured in turn in every round."""
    # Forms are for float32 on CPUs; another name of the same precision leaves them out.
    without_forms = replace(context, machine=replace(context.machine, precision="32"))
    in_bf16 = replace(context, machine=replace(context.machine, precision="bf16-mixed"))
    loops = {
        "plain": plain_loop(context, num_batches),
        "ours": our_loop(context, num_batches),
        "without forms": our_loop(without_forms, num_batches),
        "bf16": our_loop(in_bf16, num_batches),
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
