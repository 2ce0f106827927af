"""A training step with and without kept memory: seconds, page faults and the largest resident set.

    python experiments/training_throughput/memory.py --out memory.json --threads 2

Each way has its own processes, in turn. A step is the bare step of ``bench.py``, on random images.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from bench import MODELS
from torch.nn.functional import cross_entropy

from compression.config.compose import compose_run
from compression.reporting.provenance import describe_machine, describe_software
from compression.run import context as context_module
from compression.system.freed_memory import keep_freed_memory

STEPS, WARMUP = 8, 2


def measure_here(name: str, *, batch: int, threads: int, kept: bool) -> dict[str, float]:
    """Return medians of a step in this process."""
    model, stem = MODELS[name]
    with TemporaryDirectory() as outputs, mock.patch.object(context_module, "keep_freed_memory"):
        overrides = [f"model={model}", f"data.stem={stem}", f"threads={threads}", f"output_dir={outputs}"]
        context = context_module.make_context(*compose_run([*overrides, "strategy=none"]))
        net = context.build_model().train().to(memory_format=torch.channels_last)
    if kept:
        keep_freed_memory()
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, foreach=True)
    seconds = []
    for number in range(STEPS + WARMUP):
        if number == WARMUP:
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        optimizer.zero_grad()
        cross_entropy(net(images), labels).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": statistics.median(seconds[WARMUP:]),
        "page_faults": (usage.ru_minflt - faults) / STEPS,
        "mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Measure every model both ways in turn; write all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--here", choices=["kept", "returned"], help="measure one model in this process and print it")
    args = parser.parse_args()
    if args.here:
        kept = args.here == "kept"
        print(json.dumps(measure_here(args.models[0], batch=args.batch, threads=args.threads, kept=kept)))
        return
    rows: list[dict[str, Any]] = []
    for name in args.models:
        for number in range(args.rounds):
            for way in ("returned", "kept"):
                command = [sys.executable, __file__, "--here", way, "--models", name]
                command += ["--batch", str(args.batch), "--threads", str(args.threads)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                rows.append({"model": name, "round": number, "way": way, **json.loads(done.stdout.splitlines()[-1])})
                print(rows[-1], flush=True)
    settings = {"batch": args.batch, "threads": args.threads}
    document = {"machine": describe_machine(), "software": describe_software(), **settings, "rows": rows}
    args.out.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
