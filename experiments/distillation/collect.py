"""Accuracy with and without a teacher, from the runs of run.sh.

usage: collect.py OUTPUTS
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(outputs: Path) -> None:
    """Write results.json and print the rows of the README."""
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for data in ("digits", "cifar10"):
        for file in sorted(outputs.glob(f"{data}-*/metrics.json")):
            _, strategy, sparsity, distillation, seed = file.parent.name.split("-")
            metrics = json.loads(file.read_text())
            row = found.setdefault(f"{data} {strategy} {sparsity}", {}).setdefault(distillation, {})
            row[seed] = {"dense": metrics["dense"]["accuracy"], "pruned": metrics["compressed"]["accuracy"]}
    (HERE / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    for name, ways in found.items():
        cells = []
        for way in ("none", "logit"):
            seeds = [100 * value["pruned"] for value in ways.get(way, {}).values()]
            cells.append(
                ", ".join(f"{value:.2f}" for value in seeds) + f" (mean {sum(seeds) / max(1, len(seeds)):.2f})"
            )
        print(f"| {name} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
