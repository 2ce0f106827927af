"""Results of the runs of one model: MODEL.json, tables and a picture.

python experiments/pruning_family/collect.py MODEL outputs/family-MODEL-*/metrics.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

HERE = Path(__file__).parent
TITLES = {
    "control": "dense, trained on as long",
    "oneshot_l1-50": "one-shot L1, 50 %",
    "oneshot_l1-90": "one-shot L1, 90 %",
    "iterative_l1-90": "iterative L1, 90 %",
    "gmp-90": "gradual magnitude, 90 %",
    "rigl-90": "RigL, 90 %",
    "layerwise_l1-90": "layer-wise L1, 90 %",
    "oneshot_random-90": "one-shot random, 90 %",
    "structured_l2-macs50": "channels L2, 50 % of MACs",
    "structured_l2-macs70": "channels L2, 70 % of MACs",
    "structured_l2-channels90": "channels L2, 90 % of channels",
}
NAIVE = {
    "naive": "one-shot L2 norm, nothing else",
    "naive-bn": "+ batch-norm statistics re-estimated",
    "naive-bn-floor": "+ a tenth of each group kept",
    "naive-bn-floor-normalize": "+ scores divided by their layer's mean",
    "oneshot_structured_l2-channels90": "+ recovery (one-shot)",
    "structured_l2-channels90": "+ recovery training, in steps (ours)",
    "naive-recovered": "recovery alone, without floor and normalization",
}


def main() -> None:
    """Read the metrics files named on the command line; write MODEL.json and MODEL.png; print the tables."""
    model, paths = sys.argv[1], sys.argv[2:]
    documents = {}
    for path in paths:
        document = json.loads(Path(path).read_text())
        documents[document["run"]["name"].removeprefix(f"family-{model}-")] = document
    wanted = [name for name in (*TITLES, *NAIVE) if name in documents]
    results = {name: summarize(documents[name]) for name in wanted}
    (HERE / f"{model}.json").write_text(json.dumps(results, indent=1) + "\n")
    print_table(results)
    print_naive(results)
    for name in (*TITLES, *NAIVE):
        if name not in documents:
            print(f"missing: {name}")
    figure = draw(model, results)
    figure.savefig(HERE / f"{model}.png", dpi=120, bbox_inches="tight", facecolor="white")


def summarize(document: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run for the record."""
    latency = {
        f"{entry['engine']}/{entry['batch_size']}": {
            "dense_ms": entry["dense"]["latency_ms"],
            "compressed_ms": entry["compressed"]["latency_ms"],
            "speedup": entry["speedup"],
            "speedup_over_best_dense": entry["speedup_over_best_dense"],
        }
        for entry in document["timing"]["latency"]
    }
    parts = {
        f"{part}_{key}": document[part][key]
        for part in ("dense", "compressed")
        for key in ("accuracy", "macs", "parameters", "nonzero_parameters")
    }
    return {
        **parts,
        "sparsity": document["compressed"]["sparsity"],
        "dense_bytes": document["dense"]["bytes"]["safetensors"],
        "artifact_bytes": document["compressed"]["bytes"]["artifact"],
        "pruning_history": document["pruning_history"],
        "latency": latency,
        "threads": document["timing"]["threads"],
        "stage_seconds": document["timing"]["stage_seconds"],
        "run": document["run"],
        "machine": document["provenance"]["machine"],
        "software": document["provenance"]["software"],
        "commits": {stage: made["git_commit"] for stage, made in document["provenance"]["stages"].items()},
    }


def print_table(results: dict[str, Any]) -> None:
    """Print the table of the README."""
    first = next(iter(results.values()))
    print("| model | test accuracy | weights gone | MACs | file | ONNX Runtime, batch 1 | ONNX Runtime, batch 64 |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    one, many = (first["latency"][f"onnxruntime/{size}"]["dense_ms"]["median"] for size in (1, 64))
    print(
        f"| dense | {100 * first['dense_accuracy']:.2f} % | 0 % | {first['dense_macs'] / 1e6:.1f} M "
        f"| {first['dense_bytes'] / 2**20:.2f} MiB | {one:.2f} ms | {many:.1f} ms |"
    )
    for name, title in TITLES.items():
        if name in results:
            result = results[name]
            one, many = (result["latency"][f"onnxruntime/{size}"] for size in (1, 64))
            print(
                f"| {title} | {100 * result['compressed_accuracy']:.2f} % | {100 * result['sparsity']:.1f} % "
                f"| {result['compressed_macs'] / 1e6:.1f} M | {size_of(result)} | {timing(one)} | {timing(many)} |"
            )


def print_naive(results: dict[str, Any]) -> None:
    """Print the table of changes that save structured pruning at 90 % of the channels."""
    print("\n| 90 % of the channels | test accuracy | weights gone | MACs |")
    print("|---|---:|---:|---:|")
    for name, title in NAIVE.items():
        if name in results:
            result = results[name]
            print(
                f"| {title} | {100 * result['compressed_accuracy']:.2f} % | {100 * result['sparsity']:.1f} % "
                f"| {result['compressed_macs'] / 1e6:.1f} M |"
            )


def timing(entry: dict[str, Any]) -> str:
    """Return the compressed model's median latency and its speed-up over dense, with the 10th to 90th percentile."""
    speedup = entry["speedup"]
    return (
        f"{entry['compressed_ms']['median']:.2f} ms ({speedup['median']:.2f}x, {speedup['p10']:.2f} to "
        f"{speedup['p90']:.2f})"
    )


def size_of(result: dict[str, Any]) -> str:
    """Return the size of the file, e.g. 1.37 MiB."""
    return f"{result['artifact_bytes'] / 2**20:.2f} MiB"


def draw(model: str, results: dict[str, Any]) -> Figure:
    """Draw accuracy as bars, with two colours for weights and channels, and the dense model as a line."""
    shown = {name: results[name] for name in TITLES if name in results}
    first = next(iter(shown.values()))
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    values = [100 * result["compressed_accuracy"] for result in shown.values()]
    colours = ["#d95f02" if "structured" in name else "#7f7f7f" if name == "control" else "#3b7fc4" for name in shown]
    bars = axes.barh([TITLES[name] for name in shown], values, color=colours, height=0.72)
    for bar, result in zip(bars, shown.values(), strict=True):
        speedup = result["latency"]["onnxruntime/64"]["speedup"]
        faster = f", {speedup['median']:.1f}x faster" if speedup["p10"] > 1.05 else ""
        text = f"{100 * result['compressed_accuracy']:.1f} %, {size_of(result)}{faster}"
        middle = bar.get_y() + bar.get_height() / 2
        axes.text(1.5, middle, text, va="center", fontsize=9, color="white")
    dense = 100 * first["dense_accuracy"]
    axes.axvline(dense, color="black", linewidth=1, linestyle="--")
    axes.set_title(
        f"{model} on CIFAR-10 (JPEG q75); dashed: dense, {dense:.1f} %, {first['dense_bytes'] / 2**20:.1f} MiB",
        fontsize=11,
    )
    axes.set_xlabel("test accuracy, %")
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
