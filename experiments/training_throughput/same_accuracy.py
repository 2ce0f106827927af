"""Accuracy of the loop that people write and of this framework, after equally long trainings.

    python experiments/training_throughput/same_accuracy.py --data DIR --out accuracy.json --epochs 3 --seeds 0 1

Both train MobileNetV2 (ImageNet stem) on the images of ``DIR`` with the same rates, batch size and augmentation, and
are tested on the same test images. This shows that speed was not bought with accuracy.
"""

import argparse
import json
import logging
import tempfile
import warnings
from functools import partial
from pathlib import Path

import torch
from loops import PlainImages
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.core.learning_rate import warmup_cosine
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.building.network_files import load_network
from compression.run.context import Context, make_context
from compression.run.pipeline import run_stages
from compression.run.workspace import quiet_libraries


def train_plainly(context: Context) -> nn.Module:
    """Return a network trained by the plain loop, with the rates of the configuration."""
    training, generator = context.config.training, torch.manual_seed(context.config.seed)
    net = context.build_model().train()
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=training.optimizer["lr"],
        momentum=training.optimizer["momentum"],
        weight_decay=training.optimizer["weight_decay"],
    )
    loader = DataLoader(
        PlainImages(context), batch_size=context.data.batch_size, shuffle=True, num_workers=2, generator=generator
    )
    num_updates = training.epochs * len(loader)
    factor = partial(
        warmup_cosine,
        num_updates=num_updates,
        num_warmup=round(training.warmup * num_updates),
        floor=training.min_lr / training.optimizer["lr"],
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for _ in range(training.epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            cross_entropy(net(images), labels).backward()
            if training.gradient_clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), training.gradient_clip)
            optimizer.step()
            schedule.step()
    return net


def test(context: Context, net: nn.Module) -> float:
    """Return the accuracy on the test images."""
    with evaluating(net):
        hits, totals = count_hits(net, context.data.test_batches(), context.data.num_classes)
    return float(hits.sum() / totals.sum())


def main() -> None:
    """Train both ways for every seed and write the rows so far after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1])
    args = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    quiet_libraries()
    rows = []
    with tempfile.TemporaryDirectory() as outputs:
        for seed in args.seeds:
            config, run_dir = compose_run(
                [
                    *("data=image_folder", f"data.root={args.data}", "model=mobilenet_v2", "data.stem=imagenet"),
                    *(f"training.epochs={args.epochs}", f"seed={seed}", "strategy=none", "until=dense"),
                    *(f"output_dir={outputs}", "trainer.accelerator=cpu", "logger=csv"),
                ]
            )
            context, made = run_stages(config, run_dir=run_dir)
            ours = test(context, load_network(context, made["dense"]))
            plain = test(context, train_plainly(make_context(config, run_dir)))
            rows.append({"seed": seed, "epochs": args.epochs, "ours": ours, "plain": plain})
            print(json.dumps(rows[-1]), flush=True)
            document = {"machine": describe_machine(), "software": describe_software(), "rows": rows}
            args.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
