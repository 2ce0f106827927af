"""Exact forms of convolutions beside oneDNN: single layers, and a whole training step of MobileNetV2.

    python experiments/training_throughput/layers.py --out layers.json
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python experiments/training_throughput/layers.py --out avx2.json

Both forms take turns in every round. Times are medians over rounds, in milliseconds, with one thread and batch 64.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from compression.core.conv_forms import choose_forms, using_forms
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.reporting.provenance import describe_machine

BATCH, ROUNDS = 64, 9
# Input channels, output channels, pixels along a side.
POINTWISE = [(160, 960, 1), (960, 160, 1), (320, 1280, 1), (576, 96, 2), (192, 32, 4), (144, 24, 8), (96, 24, 16)]
# Channels, pixels along a side, stride.
DEPTHWISE = [(960, 1, 1), (384, 2, 1), (576, 2, 1), (576, 2, 2), (960, 2, 1), (192, 4, 1), (192, 4, 2), (144, 8, 1)]


def in_turns(plain: Callable[[], None], form: Callable[[], None]) -> dict[str, float]:
    """Return the median milliseconds of both, and the median of their ratios within a round."""
    rows = []
    for number in range(ROUNDS + 2):
        row = []
        for action in (plain, form):
            started = time.perf_counter()
            action()
            row.append(1e3 * (time.perf_counter() - started))
        # The first rounds warm up.
        if number >= 2:
            rows.append(row)
    ratios = [one / other for one, other in rows]
    return {
        "plain_ms": statistics.median(one for one, _ in rows),
        "form_ms": statistics.median(other for _, other in rows),
        "gain": statistics.median(ratios),
        "smallest": min(ratios),
        "largest": max(ratios),
    }


def measure_layer(conv: nn.Conv2d, form: str, side: int) -> dict[str, float]:
    """Return the times of a forward and a backward pass of one convolution."""
    conv = conv.to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, conv.in_channels, side, side).to(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        conv(images).sum().backward()

    def step_in_form() -> None:
        with using_forms(nn.Sequential(conv), {"0": form}):
            step()

    return in_turns(step, step_in_form)


def measure_step() -> dict[str, float]:
    """Return the times of a training step of MobileNetV2 with the ImageNet stem on 32x32 images."""
    net = mobilenet_v2(num_classes=10, stem="imagenet").to(memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels, fast = torch.randint(10, (BATCH,)), copy.deepcopy(net)
    forms = choose_forms(fast, images[:2])

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()

    optimizers = [torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9) for model in (net, fast)]
    with using_forms(fast, forms):
        return in_turns(lambda: step(net, optimizers[0]), lambda: step(fast, optimizers[1]))


def main() -> None:
    """Measure all layers and the step; write and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = {}
    for inputs, outputs, side in POINTWISE:
        name = f"1x1, {inputs} to {outputs} channels, {side}x{side}"
        rows[name] = measure_layer(nn.Conv2d(inputs, outputs, 1, bias=False), "rows", side)
    for channels, side, stride in DEPTHWISE:
        conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)
        rows[f"depthwise, {channels} channels, {side}x{side}, stride {stride}"] = measure_layer(conv, "sums", side)
    rows["training step of MobileNetV2, 32x32"] = measure_step()
    for name, row in rows.items():
        print(f"{name:48} {row['plain_ms']:7.2f} {row['form_ms']:7.2f} ms  {row['gain']:6.2f}x")
    args.out.write_text(json.dumps({"machine": describe_machine(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
