"""MACs left and held-out accuracy after every pruning step of two runs: python .../steps.py PLAIN_RUN MACS_RUN.

Writes steps.json. A run is a folder of train.py beside the store of its stages. All runs have the MobileNetV2
with the CIFAR stem that ``experiment=study_b_record`` prunes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from compression.core.counting import layer_macs
from compression.models.mobilenet_v2 import mobilenet_v2

IMAGE = torch.zeros(1, 3, 32, 32)


def main() -> None:
    """Read the runs named on the command line and write their steps."""
    macs = layer_macs(mobilenet_v2(num_classes=10, stem="cifar").eval(), IMAGE)
    runs = {target: read_steps(Path(run), macs) for target, run in zip(("weights", "macs"), sys.argv[1:], strict=True)}
    Path(__file__).with_name("steps.json").write_text(json.dumps(runs, indent=1) + "\n")


def read_steps(run: Path, macs: dict[str, int]) -> list[dict[str, Any]]:
    """Return one row for each pruning step of a run; an epoch of training follows each step."""
    [stage] = [name for name in (run / "stages.txt").read_text().split() if name.startswith("prune-")]
    results = json.loads((run.parent / "store" / stage / "stage.json").read_text())["results"]
    rows = []
    for (_, sparsity), epoch in zip(results["sparsity_steps"], results["history"], strict=True):
        left = sum(count * (1 - sparsity.get(f"sparsity/{name}", 0)) for name, count in macs.items())
        rows.append(
            {
                "weights_left": 1 - sparsity["sparsity"],
                "macs_left": left / sum(macs.values()),
                "val_accuracy": epoch["val/accuracy"],
            }
        )
    return rows


if __name__ == "__main__":
    main()
