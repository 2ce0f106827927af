"""Accuracy, bytes and parity of each run of run.sh.

usage: collect.py OUTPUTS
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
RUNS = ("w8a8-mobilenet_v2", "w8a8-resnet18", "w8a8-vgg11", "qat-w4a4-mobilenet_v2", "qat-w4a4-resnet18")


def main(outputs: Path) -> None:
    """Write runs.json and print the rows of the tables in the README."""
    rows = {}
    for name in RUNS:
        file = outputs / name / "metrics.json"
        if not file.is_file():
            print(f"{name}: not run")
            continue
        metrics = json.loads(file.read_text())
        parity = metrics["quantization"]["parity"]
        rows[name] = {
            "arithmetic": metrics["quantization"]["arithmetic"],
            "dense": metrics["dense"]["accuracy"],
            "executed": metrics["compressed"]["accuracy"],
            "simulated": metrics["compressed"]["accuracy_simulated"],
            "dense_bytes": metrics["dense"]["bytes"]["safetensors"],
            "bytes": metrics["compressed"]["bytes"]["artifact"],
            "parity": {key: value for key, value in parity.items() if key not in ("executed_layers", "cpu")},
            "executed_operators": parity["executed_layers"]["counts"],
            "cpu": parity["cpu"],
            "seed": metrics["run"]["seed"],
            "threads": metrics["run"]["threads"],
            "packages": metrics["provenance"].get("software"),
        }
        row = rows[name]
        print(
            f"| {name} | {100 * row['dense']:.2f} | {100 * row['executed']:.2f} | {100 * row['simulated']:.2f} | "
            f"{100 * parity['agreement']:.2f} % | {parity['max_logit_difference']:.3f} | "
            f"{row['dense_bytes'] / row['bytes']:.2f}x |"
        )
    (HERE / "runs.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
