"""Picture of accuracy by bits and observer, from the records in this folder."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
MODELS = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18"}
NAMES = {
    "min_max": "min-max",
    "moving_average": "moving average",
    "percentile": "percentile",
    "mse": "squared error",
    "entropy": "entropy",
}


def main() -> None:
    """Draw one panel for each model."""
    figure, axes = plt.subplots(1, len(MODELS), figsize=(11, 4.2), layout="constrained")
    runs = json.loads((HERE / "runs.json").read_text())
    for axis, (model, title) in zip(axes, MODELS.items(), strict=True):
        observers = json.loads((HERE / f"observers_{model}.json").read_text())
        bits = list(dict.fromkeys((row["weight_bits"], row["activation_bits"]) for row in observers["rows"]))
        for observer, name in NAMES.items():
            rows = {
                (r["weight_bits"], r["activation_bits"]): r["test"]
                for r in observers["rows"]
                if r["observer"] == observer
            }
            axis.plot(range(len(bits)), [100 * rows[one] for one in bits], marker="o", markersize=4, label=name)
        repairs = HERE / f"repairs_{model}.json"
        if repairs.is_file():
            rows = json.loads(repairs.read_text())["rows"]
            repaired = [[100 * row["test"] for row in rows if tuple(row["bits"]) == one] for one in bits]
            best = [(index, max(found)) for index, found in enumerate(repaired) if found]
            axis.plot(*zip(*best, strict=True), "k^", label="best repair")
        trained = runs.get(f"qat-w4a4-{model}")
        if trained:
            axis.plot([len(bits) - 1], [100 * trained["executed"]], "r*", markersize=12, label="trained (LSQ)")
        axis.axhline(100 * observers["dense"]["test"], color="0.5", linestyle="--", linewidth=1, label="dense")
        axis.set_xticks(range(len(bits)), [f"W{weight}A{activation}" for weight, activation in bits])
        axis.set_title(f"{title}, CIFAR-10 (JPEG), 10,000 test images")
        axis.set_ylabel("test accuracy in %")
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, loc="lower left")
    figure.savefig(HERE / "accuracy.png", dpi=130)


if __name__ == "__main__":
    main()
