"""Seconds and memory of the whole demo, of two checkouts in turn.

    python experiments/startup/demo.py --before DIR --after DIR --rounds 5 --out demo.json

``DIR`` are two checkouts. Every run is a new process with a new output folder, so it trains everything. Memory is the
largest resident set of the process. ``ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2`` before the command limits
PyTorch to AVX2.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from compression.reporting.provenance import describe_machine

DEMO = ("strategy=iterative_l1", "sparsity=0.9", "name=demo")
LIMITS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


def run_demo(checkout: Path) -> dict[str, Any]:
    """Return wall and CPU seconds, largest resident MiB and stage seconds of one demo."""
    with TemporaryDirectory() as outputs:
        command = [sys.executable, str(checkout / "train.py"), *DEMO, f"output_dir={outputs}"]
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(f"{' '.join(command)} failed with status {status}")
        metrics = json.loads((Path(outputs) / "demo" / "metrics.json").read_text())
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mib": usage.ru_maxrss / 1024,
        "stage_seconds": metrics["timing"]["stage_seconds"],
        "dense_accuracy": metrics["dense"]["accuracy"],
        "accuracy": metrics["compressed"]["accuracy"],
    }


def main() -> None:
    """Run both checkouts in turn, write all runs so far after each round, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {"before": [], "after": []}
    for _ in range(args.rounds):
        for name, found in runs.items():
            found.append(run_demo(getattr(args, name).resolve()))
        limits = {key: os.environ[key] for key in LIMITS if key in os.environ}
        document = {"machine": describe_machine(), "limits": limits, "runs": runs}
        args.out.write_text(json.dumps(document, indent=1) + "\n")
    for name, found in runs.items():
        for key in ("wall", "cpu", "mib"):
            values = sorted(run[key] for run in found)
            print(f"{name} {key}: {statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})")


if __name__ == "__main__":
    main()
