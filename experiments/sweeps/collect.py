"""Table and pictures of a sweep, copied to this folder, and the comparison with the known result.

python experiments/sweeps/collect.py outputs/sweep-cifar10-mobilenet_v2 outputs/dense-20/metrics.json
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


def main() -> None:
    """Copy results.csv, the pictures and the accuracy of the dense network trained as long, and print two tables."""
    folder = Path(sys.argv[1])
    longer = json.loads(Path(sys.argv[2]).read_text())
    kept = {"epochs": longer["run"]["epochs"]["dense"], "accuracy": longer["dense"]["accuracy"]}
    (HERE / "dense_20.json").write_text(json.dumps(kept) + "\n")
    KEPT.mkdir(exist_ok=True)
    shutil.copy(folder / "results.csv", KEPT)
    for picture in sorted((folder / "pictures").glob("*.png")):
        shutil.copy(picture, KEPT / picture.name)
    with (folder / "results.csv").open() as file:
        rows = {row["job"]: row for row in csv.DictReader(file) if row["kind"] != "dense"}
    print("\n| configuration | held-out, % | test, % | lost, points | KiB | smaller |\n|---|" + "---:|" * 5)
    for row in sorted(rows.values(), key=lambda row: row["val_accuracy"], reverse=True):
        if row["status"] == "finished":
            held_out, test = (100 * float(row[key]) for key in ("val_accuracy", "accuracy"))
            cells = f"{held_out:.2f} | {test:.2f} | {float(row['drop_points']):+.2f} | {float(row['bytes']) / 1024:.1f}"
            print(f"| {row['configuration']} | {cells} | {float(row['compression_ratio']):.2f}x |")
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
