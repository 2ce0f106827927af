"""Seconds from a command to its help, to its first epoch, and of runs and sweeps whose stages are finished.

    python experiments/startup/measure.py --before DIR --after DIR --out results.json

DIR are two checkouts. They run in turn, one process at a time. Nothing else may be running.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compression.reporting.provenance import describe_machine, git_commit

HERE = Path(__file__).resolve().parent
# Twelve sparsities of one dense model. Every job does little itself, but has every stage of a usual run.
SWEEP = ["-m", "strategy=oneshot_l1", "training.epochs=1", "strategy.recovery.epochs=0", "threads=1"]
SWEEP += ["strategy.recovery.min_updates=1", "runtime.engines=[eager]", "runtime.batch_sizes=[1]", "runtime.repeats=3"]
SWEEP += ["runtime.peak_memory=false"]
# The first sparsity of the sweep.
FIRST = 0.3


def run(checkout: Path, *arguments: str) -> dict[str, float]:
    """Run Python in a checkout; return seconds of wall time and of processor time, with all its child processes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(HERE)])}
    cpu, begun = processor_seconds(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - begun
    assert done.returncode == 0, done.stdout + done.stderr
    return {"wall": wall, "cpu": processor_seconds() - cpu}


def processor_seconds() -> float:
    """Return the processor seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def sweep_command(folder: Path, jobs: int) -> list[str]:
    """Return the arguments of a sweep with ``jobs`` sparsities, in ``folder``."""
    sparsities = ",".join(f"{FIRST + 0.05 * number:.2f}" for number in range(jobs))
    return ["train.py", *SWEEP, f"sparsity={sparsities}", f"output_dir={folder}", "name=sweep"]


def measure(checkout: Path, folder: Path, jobs: int) -> dict[str, dict[str, float]]:
    """Return the seconds of each command, and the seconds per job of a sweep that finds its jobs finished."""
    with tempfile.TemporaryDirectory() as empty:
        mark = ["+callbacks.mark._target_=epoch_mark.EndAtFirstEpoch", f"output_dir={empty}"]
        rows = {
            "train.py --help": run(checkout, "train.py", "--help"),
            "compression --help": run(checkout, "-m", "compression", "--help"),
            "first epoch": run(checkout, "train.py", *mark),
        }
    if jobs:
        # The command of the sweep's first job, as a single run: it finds all its stages and writes its report.
        single = ["train.py", *SWEEP[1:], f"sparsity={FIRST:.2f}", f"output_dir={folder}", "name=single"]
        rows["run with finished stages"] = run(checkout, *single)
        spent = run(checkout, *sweep_command(folder, jobs))
        rows["finished sweep, per job"] = {key: seconds / jobs for key, seconds in spent.items()}
    return rows


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--after", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=12, help="Jobs of the sweep; 0 leaves the sweep out.")
    parser.add_argument("--folder", type=Path, help="Folder of the sweep, kept; default: a temporary one.")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    given = parser.parse_args()
    checkouts = {"before": given.before.resolve(), "after": given.after.resolve()}
    folder = (given.folder or Path(tempfile.mkdtemp())).resolve()
    rows: list[dict[str, Any]] = []
    try:
        if given.jobs:
            run(checkouts["after"], *sweep_command(folder, given.jobs))
        for checkout in checkouts.values():
            # Both get their bytecode, and the single run its pictures, before anything is timed.
            measure(checkout, folder, given.jobs)
        for number in range(given.rounds):
            for name, checkout in checkouts.items():
                for command, seconds in measure(checkout, folder, given.jobs).items():
                    rows.append({"round": number, "checkout": name, "command": command, **seconds})
                    print(rows[-1], flush=True)
    finally:
        if given.folder is None:
            shutil.rmtree(folder)
    medians: dict[str, dict[str, float]] = {}
    for command in dict.fromkeys(row["command"] for row in rows):
        for name in checkouts:
            found = [row for row in rows if (row["command"], row["checkout"]) == (command, name)]
            medians[f"{command}, {name}"] = {
                key: round(statistics.median(row[key] for row in found), 2) for key in ("wall", "cpu")
            }
    print(json.dumps(medians, indent=2))
    commits = {name: git_commit(checkout) for name, checkout in checkouts.items()}
    document = {"machine": describe_machine(), "commits": commits, "medians": medians, "rows": rows}
    given.out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
