"""Cost of keeping pruned weights at zero in a training step of ResNet-18; masked and plain steps alternate.

python experiments/mask_overhead/bench.py [--stem imagenet] [--batch 128] [--rounds 40]
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from compression.core.masks import MaskSet, dense_masks
from compression.core.selection import prunable_weights
from compression.models.resnet18 import resnet18
from compression.pruning.allocations.global_ import Global
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.granularities.weights import Weights
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy, find_units

SIZE = 32
AMOUNT = 0.9


def main() -> None:
    """Time both kinds of step alternately; print medians and the spread of the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stem", choices=("imagenet", "cifar"), default="imagenet")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    model = resnet18(num_classes=10, stem=arguments.stem).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    masks = prune(model)
    masks.mask_weights_(model)
    images = torch.randn(arguments.batch, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (arguments.batch,))

    def step(masked: bool) -> tuple[float, float]:
        start = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        before = time.perf_counter()
        if masked:
            masks.mask_gradients_(model)
        masking = time.perf_counter() - before
        # Training clips by default too (training.gradient_clip), after masking.
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return time.perf_counter() - start, masking

    for _ in range(3):
        step(False)
        step(True)
    rounds = [(step(False)[0], *step(True)) for _ in range(arguments.rounds)]
    plain, masked, masking = (statistics.median(column) for column in zip(*rounds, strict=True))
    share = [mask / whole for _, whole, mask in rounds]
    ratio = [whole / other for other, whole, _ in rounds]
    threads = torch.get_num_threads()
    print(f"ResNet-18, {arguments.stem} stem, batch {arguments.batch}, {threads} threads, {len(rounds)} rounds")
    print(f"plain step {plain * 1e3:.1f} ms, masked step {masked * 1e3:.1f} ms, masking {masking * 1e3:.2f} ms")
    for name, values in (("masking / step", share), ("masked / plain - 1", [value - 1 for value in ratio])):
        p10, median, p90 = np.percentile(values, [10, 50, 90]) * 100
        print(f"{name}: median {median:.2f} %, 10th to 90th percentile {p10:.2f} to {p90:.2f} %")


def prune(model: torch.nn.Module) -> MaskSet:
    """Return masks of 90 % sparsity by global magnitude."""
    example = torch.zeros(1, 3, SIZE, SIZE)
    units = find_units(Weights(), model, example=example, amount=AMOUNT)
    strategy = Strategy(Magnitude(), units, Global(), OneShot(), amount=AMOUNT, seed=0, example=example)
    return strategy.masks_at(1, model, masks=dense_masks(prunable_weights(model)))


if __name__ == "__main__":
    main()
