"""The tables of the sparse engine: its speed beside dense engines, and the goals that were set."""

from collections.abc import Iterable, Sequence
from typing import Any

from result_tables.table import read, to_table

NETWORKS = {
    "mobilenet_v2-imagenet": "MobileNetV2, ImageNet stem",
    "mobilenet_v2-cifar": "MobileNetV2, CIFAR stem",
    "resnet18-imagenet": "ResNet-18, ImageNet stem",
    "resnet18-cifar": "ResNet-18, CIFAR stem",
    "vgg11-cifar": "VGG-11, CIFAR stem",
}
# Network, file, and how many times faster than the fastest dense FP32 engine it was meant to be.
GOALS = (
    ("mobilenet_v2-imagenet", "weights-0.9", 3.5),
    ("mobilenet_v2-cifar", "weights-0.9", 3.5),
    ("resnet18-imagenet", "weights-0.9", 2.5),
    ("resnet18-cifar", "weights-0.9", 2.0),
    ("mobilenet_v2-imagenet", "macs-0.9", 5.0),
    ("mobilenet_v2-cifar", "macs-0.9", 5.0),
    ("mobilenet_v2-imagenet", "macs-0.95", 6.0),
    ("mobilenet_v2-cifar", "macs-0.95", 6.0),
    ("resnet18-imagenet", "macs-0.9", 4.0),
    ("resnet18-cifar", "macs-0.9", 4.0),
    ("vgg11-cifar", "macs-0.9", 4.0),
    ("resnet18-imagenet", "macs-0.95", 6.5),
    ("resnet18-cifar", "macs-0.95", 6.5),
    ("vgg11-cifar", "macs-0.95", 6.5),
)


def find_speed(network: str, label: str, *, threads: int, batch_size: int) -> Any:
    """Return the speed-ups of the sparse engine with one file, over the best dense and the best INT8 engine."""
    [row] = [
        row
        for row in read(f"sparse_engine/{network}/results.json")["rows"]
        if (row["engine"], row["file"], row["threads"], row["batch_size"]) == ("sparse", label, threads, batch_size)
    ]
    return row["speedup"]


def make_sparse() -> str:
    """Return the speed-ups of the sparse engine for all networks and files in float32."""

    def list_rows() -> Iterable[Sequence[str]]:
        for network, name in NETWORKS.items():
            for label, file in read(f"sparse_engine/{network}/results.json")["files"].items():
                ranking, share = label.split("-") if "-" in label else ("weights", "0.9")
                bits = "32" if "-" in label else label[1 : label.index("a")]
                speeds = [
                    f"{find_speed(network, label, threads=threads, batch_size=batch)[kind]['median']:.1f}x"
                    for kind in ("dense", "int8")
                    for threads, batch in ((1, 1), (2, 1), (1, 64), (2, 64))
                ]
                pruned = f"{100 * float(share):g} % of {'MACs' if ranking == 'macs' else 'weights'}"
                yield (name, pruned, bits, f"{file['mac_density']:.2f}", *speeds)

    header: Sequence[str] = ("network", "pruned", "bits", "MACs left", "dense 1/1", "2/1", "1/64", "2/64")
    header = (*header, "INT8 1/1", "2/1", "1/64", "2/64")
    return to_table(header, list_rows(), text=2)


def make_goals() -> str:
    """Return the speed-ups that the sparse engine was meant to reach, and those of single images and batches."""

    def list_rows() -> Iterable[Sequence[str]]:
        for network, label, goal in GOALS:
            ranking, share = label.split("-")
            single, batch = (find_speed(network, label, threads=1, batch_size=size) for size in (1, 64))
            yield (
                NETWORKS[network],
                f"{100 * float(share):g} % of {'MACs' if ranking == 'macs' else 'weights'}",
                f"{goal:g}x",
                *(f"{found[kind]['median']:.2f}x" for kind in ("dense", "int8") for found in (single, batch)),
            )

    header = ("network", "pruned", "goal", "dense, batch 1", "batch 64", "INT8, batch 1", "batch 64")
    return to_table(header, list_rows(), text=2)


def make_kernels() -> str:
    """Return the ratio of both kernels for convolutions by layer and density; the one that the rule takes is named."""
    rows = read("sparse_engine/kernels.json")["rows"]
    densities = sorted({row["density"] for row in rows}, reverse=True)
    ratios = {(row["layer"], row["density"]): row for row in rows}

    def cell(layer: str, density: float) -> str:
        row = ratios[layer, density]
        return f"{row['ratio']['median']:.2f}x" + (", taken" if row["rule"] == "joined" else "")

    header = ("layer", *(f"{100 * density:.0f} % of weights left" for density in densities))
    layers = dict.fromkeys(row["layer"] for row in rows)
    return to_table(header, ((layer, *(cell(layer, density) for density in densities)) for layer in layers))
