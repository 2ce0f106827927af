"""Wall time of two runs at once and one after the other, with and without turn-taking on the cores.

    python experiments/sharing/bench.py --rounds 3 --epochs 4

In each round, each setting in turn runs one training alone and then two at once. Nothing else may be running.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compression.reporting.provenance import describe_machine

HERE = Path(__file__).resolve().parent
TRAIN = HERE.parents[1] / "train.py"
# "before" restores the default of PyTorch's GNU OpenMP. Its runs get separate TMPDIRs, so that they take no turns.
SETTINGS = {"before": {"GOMP_SPINCOUNT": "300000"}, "now": {}}


def start(folder: Path, setting: str, epochs: int) -> subprocess.Popen[bytes]:
    """Start a training of MobileNetV2 on digits with all cores."""
    apart = {"TMPDIR": str(folder)} if setting == "before" else {}
    command = [sys.executable, str(TRAIN), "strategy=none", "until=dense", f"training.epochs={epochs}", "name=run"]
    return subprocess.Popen(
        [*command, f"output_dir={folder}"],
        env={**os.environ, **SETTINGS[setting], **apart},
        stdout=subprocess.DEVNULL,
    )


def time_runs(num_runs: int, setting: str, epochs: int) -> dict[str, float]:
    """Return the seconds until all runs have ended, and the training seconds of the slowest run."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(number) for number in range(num_runs)]
        for folder in folders:
            folder.mkdir()
        begun = time.perf_counter()
        processes = [start(folder, setting, epochs) for folder in folders]
        codes = [process.wait() for process in processes]
        wall = time.perf_counter() - begun
        assert codes == [0] * num_runs
        records = [json.loads(path.read_text()) for path in Path(name).glob("*/store/dense-*/stage.json")]
        assert len(records) == num_runs
        return {"wall": wall, "training": max(record["seconds"] for record in records)}


def main() -> None:
    """Measure, print and write `results.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for number in range(given.rounds):
        for setting in SETTINGS:
            for num_runs in (1, 2):
                row = {"round": number, "setting": setting, "runs": num_runs}
                rows.append({**row, **time_runs(num_runs, setting, given.epochs)})
                print(rows[-1], flush=True)
    for setting in SETTINGS:
        for key in ("wall", "training"):
            alone, both = (
                [row[key] for row in rows if row["setting"] == setting and row["runs"] == num_runs]
                for num_runs in (1, 2)
            )
            ratios = [two / one for one, two in zip(alone, both, strict=True)]
            print(
                f"{setting:7s}{key:9s} alone {statistics.median(alone):6.1f} s, two at once "
                f"{statistics.median(both):6.1f} s: {min(ratios):.2f} to {max(ratios):.2f} times one"
            )
    document = {"machine": describe_machine(), "epochs": given.epochs, "rows": rows}
    (HERE / "results.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
