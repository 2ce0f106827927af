"""Where the time of a training step goes: convolutions, batch norm, activations, updates; and what masks cost.

    python experiments/training_throughput/step_profile.py --out step_profile.json --threads 2

The step is the bare step of ``bench.py`` with the convolution forms that a training uses. ``torch.profiler`` gives the
share of each kind of operation. The speed of convolutions, in GFLOP/s, stands beside that of the library's product of
two large matrices, which no convolution exceeds by much. Masks are timed in alternation with the step: a share of it.
"""

import argparse
import json
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from bench import MODELS
from torch import nn
from torch.nn.functional import cross_entropy

from compression.config.compose import compose_run
from compression.core.conv_forms import choose_forms, using_forms
from compression.core.counting import count_macs
from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import make_context

# Parts of the names of operations, by kind; the first that fits counts.
KINDS = {
    "convolution and linear": ("conv", "mkldnn_linear", "addmm", "aten::mm", "aten::linear", "addcmul"),
    "batch norm": ("batch_norm",),
    "activation": ("hardtanh", "relu", "clamp", "threshold", "dropout", "bernoulli"),
    "update": ("foreach", "optimizer", "clip_grad"),
}


def _kind(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in lower for part in parts)), "other")


def _seconds(call: Callable[[], Any], *, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def matrix_gflops(*, size: int = 2048) -> float:
    """Return the GFLOP/s of a product of two square matrices."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / _seconds(lambda: one @ other, repeats=9) / 1e9


def profile(name: str, *, batch: int, threads: int, steps: int) -> dict[str, Any]:
    """Return the shares of a step of the model ``name``, the speed of its convolutions, and the cost of masks."""
    model, stem = MODELS[name]
    with TemporaryDirectory() as outputs:
        config, run_dir = compose_run(
            [f"model={model}", f"data.stem={stem}", f"output_dir={outputs}", "strategy=none", f"threads={threads}"]
        )
        context = make_context(config, run_dir)
        net = context.build_model().train().to(memory_format=torch.channels_last)
        forms = choose_forms(net, context.example())
        macs = count_macs(net, 32)
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=True)
    masks = MaskSet({key: torch.rand_like(weight) > 0.9 for key, weight in prunable_weights(net).items()})

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(net(images), labels).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    with using_forms(net, forms):
        for _ in range(2):
            step()
        plain, masked = [], []
        for _ in range(steps):
            plain.append(_seconds(step, repeats=1))
            masked.append(_seconds(lambda: masks.mask_gradients_(net), repeats=1))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
            for _ in range(steps):
                step()
    spent: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        spent[_kind(event.key)] += event.self_cpu_time_total / 1e6 / steps
    total, seconds = sum(spent.values()), statistics.median(plain)
    share = {kind: value / total for kind, value in sorted(spent.items(), key=lambda item: -item[1])}
    return {
        "model": name,
        "batch": batch,
        "threads": threads,
        "step_seconds": seconds,
        "share": share,
        # The backward pass computes two products of the size of the forward pass.
        "convolution_gflops": 6 * macs * batch / (seconds * share["convolution and linear"]) / 1e9,
        "matrix_gflops": matrix_gflops(),
        "masks_share": statistics.median(masked) / seconds,
    }


def main() -> None:
    """Profile every model and write the rows so far after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=7)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    rows = []
    for name in args.models:
        rows.append(profile(name, batch=args.batch, threads=args.threads, steps=args.steps))
        print(json.dumps(rows[-1]), flush=True)
        document = {"machine": describe_machine(), "software": describe_software(), "rows": rows}
        args.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
