"""Twelve configurations on digits, run in three ways: stages made, time, and whether the results are equal.

python experiments/sweeps/sharing.py /tmp/sharing

Twelve separate runs share no store. A sweep shares one, with one job at a time or two workers. Each job has one thread.
Wall time covers complete commands; processor time covers all their processes.
"""

import csv
import itertools
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
AXES = {"sparsity": (0.5, 0.7, 0.9), "weight_bits": (6, 8), "activation_bits": (6, 8)}
# A quarter of the width, so that the twelve separate runs end within a quarter of an hour.
NETWORK = (
    *("model.width_mult=0.25", "training.epochs=15", "training.optimizer.lr=0.1", "strategy.recovery.min_updates=100"),
    *("runtime.repeats=5", "runtime.peak_memory=false", "threads=1"),
)
WORKERS = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
STAGES = ("dense", "prune", "quantize", "export", "evaluate")
# Columns that are equal for every run of one configuration. No times.
SAME = ("accuracy", "val_accuracy", "sparsity", "bytes", "compression_ratio", "macs")


def main() -> None:
    """Run all commands, write sharing.json and print its table."""
    out = Path(sys.argv[1])
    ways = {
        "twelve separate runs": (out / "separate", separate_runs(out / "separate")),
        "one sweep, one job at a time": (out / "sequential", [sweep(out / "sequential")]),
        "one sweep, two workers": (out / "parallel", [sweep(out / "parallel", *WORKERS)]),
        "the same again": (out / "parallel", [sweep(out / "parallel", *WORKERS)]),
    }
    results = []
    for way, (folder, commands) in ways.items():
        there = count_stages(folder)
        seconds, processor_seconds = measure(commands)
        made = count_stages(folder) - there
        results.append({"way": way, "made": made, "seconds": seconds, "processor_seconds": processor_seconds})
        print(results[-1], flush=True)
    tables = {name: read_table(out / name / "sweep" / "results.csv") for name in ("sequential", "parallel")}
    alone = {
        tuple(map(str, point)): read_metrics(folder_of(point, out / "separate") / "run" / "metrics.json")
        for point in points()
    }
    document = {
        "ways": results,
        "sequential_equals_parallel": tables["sequential"] == tables["parallel"],
        "separate_equals_sequential": all(
            all(str(value) == tables["sequential"][point][key] for key, value in numbers.items())
            for point, numbers in alone.items()
        ),
    }
    (HERE / "sharing.json").write_text(json.dumps(document, indent=1) + "\n")
    print(to_markdown(document))
    print(json.dumps({key: value for key, value in document.items() if key != "ways"}, indent=1))


def count_stages(folder: Path) -> Counter[str]:
    """Return the number of finished stages of each kind in the stores of a folder."""
    return Counter(path.parent.name.partition("-")[0] for path in folder.rglob("stage.json"))


def points() -> list[tuple[object, ...]]:
    """Return the twelve configurations of the sweep."""
    return list(itertools.product(*AXES.values()))


def folder_of(point: tuple[object, ...], folder: Path) -> Path:
    """Return the output folder of a configuration that runs alone."""
    return folder / "-".join(map(str, point))


def separate_runs(folder: Path) -> list[list[str]]:
    """Return twelve commands that share no stages."""
    return [
        [
            *NETWORK,
            *(f"{key}={value}" for key, value in zip(AXES, point, strict=True)),
            f"output_dir={folder_of(point, folder)}",
            "name=run",
        ]
        for point in points()
    ]


def sweep(folder: Path, *launcher: str) -> list[str]:
    """Return the command of the sweep."""
    return ["-m", "+sweep=grid", *NETWORK, *launcher, f"output_dir={folder}", "name=sweep"]


def measure(commands: list[list[str]]) -> tuple[float, float]:
    """Run commands one after the other; return wall and processor time in seconds."""
    begun, used = time.perf_counter(), processor_time()
    for command in commands:
        subprocess.run([sys.executable, str(ROOT / "train.py"), *command], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - begun, 1), round(processor_time() - used, 1)


def processor_time() -> float:
    """Return the processor time of all ended child processes and their children, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def read_table(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the ``SAME`` columns of a sweep's table by configuration."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {tuple(row[f"axis.{key}"] for key in AXES): {key: row[key] for key in SAME} for row in rows}


def read_metrics(path: Path) -> dict[str, object]:
    """Return accuracy and bytes of a run alone."""
    metrics = json.loads(path.read_text())
    return {"accuracy": metrics["compressed"]["accuracy"], "bytes": metrics["compressed"]["bytes"]["artifact"]}


def to_markdown(document: dict) -> str:
    """Return a table with one row for each way of running."""
    base = document["ways"][0]
    lines = [
        f"| | {' | '.join(STAGES)} | wall time | processor time | against separate runs |",
        f"|---|{'---:|' * (len(STAGES) + 3)}",
    ]
    for way in document["ways"]:
        counts = " | ".join(str(way["made"].get(stage, 0)) for stage in STAGES)
        lines.append(
            f"| {way['way']} | {counts} | {way['seconds']:.0f} s | {way['processor_seconds']:.0f} s "
            f"| {base['seconds'] / way['seconds']:.2f}x faster |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
