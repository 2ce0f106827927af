"""Write the tables of results in README.md, docs/results.md and experiments/ from the records in this folder.

    make results                                        # writes them
    python experiments/make_results.py --check          # fails if a table differs from its records

A table stands between two comments, ``<!-- results: NAME -->`` and ``<!-- end -->``. NAME is a function in ``TABLES``.
"""

import argparse
import csv
import re
import statistics
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from record_tables import HERE, Line, lost, percent, read, to_table
from rich.console import Console
from small_file_tables import make_exponents, make_small_files
from speed_tables import make_goals, make_kernels, make_sparse
from storage_tables import make_bounds, make_codecs, make_nncodec, make_prices
from study_c_table import make_study_c
from study_d_table import make_study_d
from study_tables import (
    make_narrow,
    make_resnet18,
    make_studies,
    make_study_a,
    make_study_b,
    make_study_e,
    summarize_resnet18,
    summarize_small_file,
)

from compression.reporting.result_table import make_rows, to_rich

PAGES = (
    HERE.parent / "README.md",
    HERE.parent / "docs" / "results.md",
    HERE / "sparse_engine" / "README.md",
    HERE / "storage" / "README.md",
    HERE / "storage" / "nncodec" / "README.md",
    HERE / "c_export" / "README.md",
    HERE / "pruning_for_macs" / "README.md",
    HERE / "studies" / "README.md",
    HERE / "studies" / "a" / "README.md",
    HERE / "studies" / "b" / "README.md",
    HERE / "studies" / "c" / "README.md",
    HERE / "studies" / "d" / "README.md",
    HERE / "studies" / "e" / "README.md",
    HERE / "studies" / "narrow" / "README.md",
    HERE / "studies" / "resnet18" / "README.md",
    HERE / "studies" / "small" / "README.md",
)
BLOCK = re.compile(r"(<!-- results: ([\w ]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
NAMES = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18", "vgg11": "VGG-11"}


def make_demo() -> str:
    """Return the table that the first command prints, as an indented block, and what it says in words."""
    metrics = read("digits/demo.json")
    console = Console(width=100, color_system=None, legacy_windows=False)
    title = f"{metrics['run']['name']}, {metrics['compressed']['test_images']:,} test images"
    with console.capture() as captured:
        console.print(to_rich(make_rows(metrics), title))
    table = "\n".join(f"    {line.rstrip()}".rstrip() for line in captured.get().rstrip().splitlines())
    return f"{table}\n\n{_describe(metrics)}"


def _describe(metrics: Mapping[str, Any]) -> str:
    dense, compressed = (100 * metrics[which]["accuracy"] for which in ("dense", "compressed"))
    change = metrics["failure_modes"]["change"]["accuracy"]
    low, high = (100 * change[end] for end in ("low", "high"))
    found = [row for row in metrics["timing"]["latency"] if row["batch_size"] == 1]
    times = [min(row[which]["latency_ms"]["median"] for row in found) for which in ("dense", "compressed")]
    words = (
        f"So the file is {metrics['improvement']['compression_ratio']:.1f} times smaller, and one image takes"
        f" {times[1]:.2f} instead of {times[0]:.2f} ms. Accuracy changes from {dense:.1f} to {compressed:.1f} %, which"
        f" {'may be chance' if high > 0 else 'is more than chance'} on"
        f" {metrics['compressed']['test_images']:,} images (95 % interval: {low:+.1f} to {high:+.1f} points). MACs"
        " are multiplications with an addition."
    )
    return textwrap.fill(words, width=120)


def make_summary() -> str:
    """Return one line for each record: the result, and what it was measured on."""
    rows = ((f"[{line.result}](experiments/{line.folder}/README.md){line.more}", line.where) for line in _summarize())
    return to_table(("result", "measured on"), rows, text=2)


def _summarize() -> Iterable[Line]:
    yield from summarize_small_file()
    yield from summarize_resnet18()
    digits = read("digits/results.json")
    lost = statistics.mean(100 * (run["dense_accuracy"] - run["accuracy"]) for run in digits)
    ratio = statistics.mean(run["compression_ratio"] for run in digits)
    where = "MobileNetV2 on handwritten digits, 90 % pruned, three seeds"
    yield Line("digits", f"{ratio:.1f}x smaller file", f", {lost:.2f} points lost", where)
    run = read("quantization/runs.json")["w8a8-resnet18"]
    lost = 100 * (run["dense"] - run["executed"])
    where = f"ResNet-18 at {percent(run['dense'])} %, 8 bits"
    yield Line("quantization", f"{lost:.2f} points lost", ", executed in integers", where)
    speeds = " and ".join(f"{find_int8_speed(model, '64'):.1f}x" for model in ("mobilenet_v2", "resnet18"))
    where = "MobileNetV2 and ResNet-18, 8 bits, in ONNX Runtime or OpenVINO, two threads"
    yield Line("quantization", f"{speeds} as fast", " as FP32", where)
    gains = [row["ours over plain"]["median"] for row in read("training_throughput/results.json")["rows"]]
    span = f"{min(gains):.1f} to {max(gains):.1f}x"
    where = "training three networks, two threads"
    yield Line("training_throughput", span, " the images per second of a plain PyTorch loop", where)
    rows = read("many_networks/results.json")
    works, refused = (sum(row["result"] == result for row in rows) for result in ("works", "refused"))
    assert works + refused == len(rows), "a network ended in a traceback, or was too slow"
    where = "timm and torchvision, pruned, INT8, trained for two updates"
    more = f" export; {refused} are refused before training"
    yield Line("many_networks", f"{works} of {len(rows)} networks", more, where)


def read_sweep() -> list[dict[str, str]]:
    """Return the twelve jobs of the sweep on CIFAR-10."""
    with (HERE / "sweeps" / "cifar10" / "results.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["kind"] == "grid"]


def make_sweep() -> str:
    """Return accuracy and bytes of the twelve configurations."""
    rows, longer = sorted(read_sweep(), key=lambda row: float(row["compression_ratio"])), read("sweeps/dense_20.json")
    header = ("pruned, %", "weight bits", "activation bits", "test, %", "points lost", "file, KiB", "smaller")
    header = (*header, f"lost against {longer['epochs']} epochs")
    return to_table(
        header,
        (
            (
                f"{100 * float(row['axis.sparsity']):.0f}",
                row["weight_bits"],
                row["activation_bits"],
                percent(float(row["accuracy"])),
                f"{float(row['drop_points']):+.2f}",
                f"{int(row['bytes']) / 1024:.0f}",
                f"{float(row['compression_ratio']):.1f}x",
                lost(longer["accuracy"], float(row["accuracy"])),
            )
            for row in rows
        ),
        text=0,
    )


def make_int8() -> str:
    """Return accuracy, agreement and speed of networks in INT8."""
    runs, speeds = read("quantization/runs.json"), read("quantization/speed.json")["models"]

    def cells(name: str) -> Sequence[str]:
        bits, model = name.rsplit("-", 1)
        run = runs[name]
        executed = model in speeds and bits == "w8a8"
        return (
            NAMES[model],
            bits.removeprefix("qat-").upper() + (", trained" if bits.startswith("qat") else ""),
            percent(run["dense"], 2),
            lost(run["dense"], run["executed"]),
            percent(run["parity"]["agreement"], 2),
            f"{run['dense_bytes'] / run['bytes']:.1f}x",
            *(f"{find_int8_speed(model, batch):.1f}x" if executed else "-" for batch in ("1", "64")),
        )

    header = ("network", "bits", "dense, %", "points lost", "same class, %", "smaller", "batch 1", "batch 64")
    return to_table(header, map(cells, runs), text=2)


def find_int8_speed(model: str, batch: str) -> float:
    """Return the speed-up of the faster INT8 engine over the fastest dense one."""
    found = read("quantization/speed.json")["models"][model]["batches"][batch]["engines"]
    return max(found[name]["speedup_over_best_dense"]["median"] for name in found if name.endswith(" int8"))


def make_steps() -> str:
    """Return MACs and held-out accuracy after each pruning step, by number of weights and by MACs."""
    found = read("pruning_for_macs/steps.json")

    def cells(row: Any) -> Sequence[str]:
        return tuple(percent(row[name]) for name in ("weights_left", "macs_left", "val_accuracy"))

    rows = (
        (str(number), *cells(plain), *cells(costed))
        for number, (plain, costed) in enumerate(zip(found["weights"], found["macs"], strict=True), start=1)
    )
    header = ("step", "weights: weights left, %", "MACs left, %", "held-out, %")
    return to_table((*header, "MACs: weights left, %", "MACs left, %", "held-out, %"), rows, text=0)


def make_c_export() -> str:
    """Return flash, RAM and time of the C programs, and of ONNX Runtime."""
    record = read("c_export/results.json")

    def list_rows() -> Iterable[Sequence[str]]:
        for row in record["variants"]:
            sizes = (f"{row[name]:,}" for name in ("table_bytes", "code_bytes", "memory_bytes"))
            words = (f"`{word}`" for word in (row["vector"], row["optimize"], " ".join(row["flags"])))
            yield (*words, *sizes, f"{row['milliseconds']['median']:.3f}", row["images_that_agree"])
        other = record["onnxruntime"]
        sizes = (f"{other[name]:,}" for name in ("model_bytes", "library_bytes", "memory_bytes"))
        yield (f"ONNX Runtime {other['version']}", "", "", *sizes, f"{other['milliseconds']:.3f}", "")

    header = (
        "`--vector`",
        "`--optimize`",
        "flags",
        "tables, bytes",
        "code, bytes",
        "RAM, bytes",
        "ms an image",
        "agree",
    )
    return to_table(header, list_rows(), text=3)


def make_training() -> str:
    """Return the images per second of trainings."""
    kinds = ("plain", "bare", "ours", "bf16")
    rows = (
        (
            row["model"] if "stem" in row["model"] else f"{row['model']}, cifar stem",
            *(f"{row[kind]['wall']:,.0f}" for kind in kinds),
            f"{row['ours over plain']['median']:.1f}x",
        )
        for row in read("training_throughput/results.json")["rows"]
    )
    return to_table(("network", "plain loop", "bare step", "ours", "ours in bf16", "ours / plain"), rows)


def make_tiles() -> str:
    """Return the scores of networks on the magnetic tiles."""

    def write(share: list[float]) -> str:
        value, low, high = (100 * number for number in share)
        return f"{value:.1f} ({low:.1f} to {high:.1f})"

    def list_rows() -> Iterable[Sequence[str]]:
        for row in read("magnetic_tiles/results.json"):
            for kind in ("dense",) if row["compressed_to"] == "dense" else ("compressed",):
                found = row[kind]
                worst = min(found["classes"], key=lambda name, of=found["classes"]: of[name][0])
                named = (row["start"], row["fit"], row["class_weights"], row["compressed_to"])
                scores = (write(found["accuracy"]), write(found["balanced"]))
                yield (*named, *scores, f"{worst} {100 * found['classes'][worst][0]:.1f}")

    header = ("start", "fit", "class weights", "compressed", "accuracy, %", "balanced accuracy, %", "worst class, %")
    return to_table(header, list_rows(), text=4)


TABLES: dict[str, Callable[[], str]] = {
    "demo": make_demo,
    "summary": make_summary,
    "sweep": make_sweep,
    "int8": make_int8,
    "sparse": make_sparse,
    "goals": make_goals,
    "kernels": make_kernels,
    "macs steps": make_steps,
    "c export": make_c_export,
    "training": make_training,
    "tiles": make_tiles,
    "studies": make_studies,
    "study a": make_study_a,
    "study b": make_study_b,
    "study c": make_study_c,
    "study d": make_study_d,
    "study e": make_study_e,
    "narrow": make_narrow,
    "resnet18": make_resnet18,
    "small files": make_small_files,
    "exponents": make_exponents,
    **{f"codecs {model}": partial(make_codecs, model) for model in ("mobilenet_v2", "resnet18")},
    **{f"bounds {model}": partial(make_bounds, model) for model in ("mobilenet_v2", "resnet18")},
    **{f"prices {curve}": partial(make_prices, curve) for curve in ("mobilenet_v2_90", "resnet18_90")},
    **{f"nncodec {curve}": partial(make_nncodec, curve) for curve in ("mobilenet_v2_90", "resnet18_90")},
}


def fill(text: str) -> str:
    """Return a page with every table made again. Raises KeyError for an unknown table."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[4]}", text)


def main() -> None:
    """Write the pages, or say which of them is out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if a page is out of date")
    check = parser.parse_args().check
    stale = [page for page in PAGES if fill(page.read_text()) != page.read_text()]
    for page in stale:
        print(f"{page.name} {'differs from its records: run make results' if check else 'written'}")
        if not check:
            page.write_text(fill(page.read_text()))
    if check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
