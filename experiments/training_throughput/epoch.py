"""Seconds of one training epoch of MobileNetV2 (CIFAR stem) on CIFAR-10, by two checkouts in turn.

    python experiments/training_throughput/epoch.py --data DIR --before DIR --after DIR --out epoch.json

``DIR`` of the data is CIFAR-10 as JPEG files. Of its 50,000 training images 45,000 are trained on and 5,000 validated.
The seconds are those of the whole stage, with its validation.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from compression.reporting.provenance import describe_machine

SETTINGS = (
    "data=image_folder",
    "data.stem=cifar",
    "model=mobilenet_v2",
    "training.epochs=1",
    "until=dense",
    "threads=2",
)


def train_epoch(checkout: Path, data: Path) -> dict[str, Any]:
    """Return the seconds and the validation accuracy of a training of one epoch."""
    with TemporaryDirectory() as outputs:
        command = [sys.executable, str(checkout / "train.py"), *SETTINGS, f"data.root={data}", f"output_dir={outputs}"]
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, check=True)
        (record,) = Path(outputs).glob("store/dense-*/stage.json")
        document = json.loads(record.read_text())
    return {"seconds": document["seconds"], "val_accuracy": document["results"]["history"][-1]["val/accuracy"]}


def main() -> None:
    """Train an epoch by each checkout and write what was found after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--data", "--before", "--after", "--out"):
        parser.add_argument(name, type=Path, required=True)
    args = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    for name in ("before", "after"):
        found[name] = train_epoch(getattr(args, name).resolve(), args.data.resolve())
        print(name, found[name], flush=True)
        args.out.write_text(json.dumps({"machine": describe_machine(), "epochs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
