"""Results of this experiment: results.json, a table and a picture.

python experiments/pruning_order/collect.py outputs/order-*/metrics.json
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
TITLES = {
    "order-oneshot_l1-50": "one-shot L1, 50 %",
    "order-iterative_l1-90": "iterative L1, 90 %\n10 steps of 1 epoch",
    "order-oneshot_l1-90-long": "one-shot L1, 90 %\n10 epochs of recovery",
    "order-oneshot_l1-90": "one-shot L1, 90 %\n1 epoch of recovery",
    "order-oneshot_random-90": "one-shot random, 90 %\n1 epoch of recovery",
}


def main() -> None:
    """Read the metrics files named on the command line; write results.json and accuracy.png; print the table."""
    documents = {}
    for path in sys.argv[1:]:
        document = json.loads(Path(path).read_text())
        documents[document["run"]["name"]] = document
    results = [summarize(name, documents[name]) for name in TITLES]
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print_table(results, documents)
    plot(results)


def summarize(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run for the record."""
    latency = {
        f"{entry['engine']}/{entry['batch_size']}": {
            "dense_ms": entry["dense"]["latency_ms"],
            "compressed_ms": entry["compressed"]["latency_ms"],
            "speedup": entry["speedup"],
        }
        for entry in document["timing"]["latency"]
    }
    return {
        "name": name,
        "dense_accuracy": document["dense"]["accuracy"],
        "accuracy": document["compressed"]["accuracy"],
        "sparsity": document["compressed"]["sparsity"],
        "dense_bytes": document["dense"]["bytes"]["safetensors"],
        "artifact_bytes": document["compressed"]["bytes"]["artifact"],
        "compression_ratio": document["improvement"]["compression_ratio"],
        "latency": latency,
        "stage_seconds": document["timing"]["stage_seconds"],
        "run": document["run"],
        "machine": document["provenance"]["machine"],
        "software": document["provenance"]["software"],
        "git_commit": document["provenance"]["git_commit"],
    }


def print_table(results: list[dict[str, Any]], documents: dict[str, Any]) -> None:
    """Print the table of the README."""
    dense = results[0]
    print("| model | test accuracy | sparsity | file | ratio | ONNX Runtime, batch 1 | ONNX Runtime, batch 64 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    one, many = (dense["latency"][f"onnxruntime/{size}"]["dense_ms"]["median"] for size in (1, 64))
    print(
        f"| dense | {dense['dense_accuracy']:.2%} | 0.00% | {dense['dense_bytes'] / 2**20:.2f} MiB | 1.00x "
        f"| {one:.2f} ms | {many:.1f} ms |"
    )
    for result in results:
        title = TITLES[result["name"]].replace("\n", ", ")
        one, many = (result["latency"][f"onnxruntime/{size}"] for size in (1, 64))
        print(
            f"| {title} | {result['accuracy']:.2%} | {result['sparsity']:.2%} "
            f"| {result['artifact_bytes'] / 2**20:.2f} MiB | {result['compression_ratio']:.2f}x "
            f"| {one['compressed_ms']['median']:.2f} ms ({spread(one['speedup'])}) "
            f"| {many['compressed_ms']['median']:.1f} ms ({spread(many['speedup'])}) |"
        )
    print(f"\n{documents[results[0]['name']]['dense']['test_images']:,} test images, {dense['machine']['processor']}")


def spread(speedup: dict[str, float]) -> str:
    """Return the speed-up over dense with its 10th to 90th percentile."""
    return f"{speedup['median']:.2f}x, {speedup['p10']:.2f} to {speedup['p90']:.2f}"


def plot(results: list[dict[str, Any]]) -> None:
    """Draw accuracy as bars and the dense model as a line."""
    dense = 100 * results[0]["dense_accuracy"]
    colours = ["#9ecae1", "#08519c", "#3182bd", "#6baed6", "#bdbdbd"]
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    labels = [f"{TITLES[r['name']]}" for r in results]
    values = [100 * r["accuracy"] for r in results]
    bars = axes.barh(labels, values, color=colours)
    for bar, result in zip(bars, results, strict=True):
        size = result["artifact_bytes"] / 2**20
        text = f"{100 * result['accuracy']:.1f} %, {size:.1f} MiB"
        pale = result["name"] in ("order-oneshot_l1-50", "order-oneshot_random-90")
        middle = bar.get_y() + bar.get_height() / 2
        axes.text(
            bar.get_width() - 3, middle, text, va="center", ha="right", fontsize=9, color="black" if pale else "white"
        )
    axes.axvline(dense, color="black", linewidth=1, linestyle="--")
    size = results[0]["dense_bytes"] / 2**20
    axes.set_title(f"ResNet-18 on CIFAR-10 (JPEG q75); dashed: dense, {dense:.1f} %, {size:.1f} MiB", fontsize=11)
    axes.set_xlabel("test accuracy, %")
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "accuracy.png", dpi=130)


if __name__ == "__main__":
    main()
