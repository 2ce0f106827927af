"""Keep a sweep's table, summary and pictures beside this file, and print the comparison with the known result.

python experiments/sweeps/collect.py outputs/sweep-cifar10-mobilenet_v2
"""

import csv
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "cifar10"
# A published twelve-point sweep of MobileNetV2 on CIFAR-10: bytes by formula, 200 epochs, 89.45 % uncompressed.
KNOWN = {"best accuracy": (89.12, 6.45), "best balanced": (86.78, 8.98), "best compression": (82.15, 18.67)}
KNOWN_DENSE = 89.45
COLUMNS = ("job", "val_accuracy", "accuracy", "drop_points", "sparsity", "bytes", "compression_ratio", "latency_ms")


def main() -> None:
    """Copy what a reader needs, and print two tables."""
    folder = Path(sys.argv[1])
    KEPT.mkdir(exist_ok=True)
    for name in ("results.csv", "summary.yaml"):
        shutil.copy(folder / name, KEPT / name)
    for picture in sorted((folder / "pictures").glob("*.png")):
        shutil.copy(picture, KEPT / picture.name)
    with (folder / "results.csv").open() as file:
        rows = {row["job"]: row for row in csv.DictReader(file)}
    print("\n| job | " + " | ".join(COLUMNS[1:]) + " |\n|---|" + "---:|" * (len(COLUMNS) - 1))
    for row in rows.values():
        print("| " + " | ".join(row[column] for column in COLUMNS) + " |")
    picks = json.loads((folder / "results.json").read_text())["picks"]
    print("\n| pick | known: loss | known: ratio | ours | loss | ratio |\n|---|---:|---:|---|---:|---:|")
    for name, (accuracy, ratio) in KNOWN.items():
        row = rows[next(pick["job"] for pick in picks if pick["title"] == name)]
        print(
            f"| {name} | {KNOWN_DENSE - accuracy:.2f} | {ratio}x | {row['job']} | {float(row['drop_points']):.2f} "
            f"| {float(row['compression_ratio']):.2f}x |"
        )


if __name__ == "__main__":
    main()
