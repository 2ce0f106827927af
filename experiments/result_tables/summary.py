"""The summary in README.md: one line for each record that it names."""

import statistics
from collections.abc import Iterable
from typing import NamedTuple

from result_tables.quantization import find_int8_speed
from result_tables.runs import Run, find_reference, lost_interval, points_lost, read_runs, smaller, speed_ratio
from result_tables.small_files import find_goal_file
from result_tables.table import percent, read, to_table

# In points.
NOTHING, ONE_POINT, MOST_LOST = 0, 1, 2


class Line(NamedTuple):
    """A line of the summary: the record's folder, the result that links to it, more of it, what it was measured on."""

    folder: str
    result: str
    more: str
    where: str


def make_summary() -> str:
    """Return one line for each record: the result, and what it was measured on."""
    rows = ((f"[{line.result}](experiments/{line.folder}/README.md){line.more}", line.where) for line in _summarize())
    return to_table(("result", "measured on"), rows, text=2)


def _summarize() -> Iterable[Line]:
    yield from _summarize_small_file()
    yield from _summarize_resnet18()
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


def _summarize_small_file() -> Iterable[Line]:
    """Return lines on the most accurate file of those of the goal and the smallest that loses little, with a speed."""
    runs = read_runs("small")
    accurate = find_goal_file()
    small = max((run for run in runs if points_lost(run) < MOST_LOST), key=smaller)
    reference = find_reference(accurate)
    more = f", {points_lost(accurate):.2f} points lost (95 % interval: {lost_interval(accurate, reference)})"
    more = f"{more}; {smaller(small):.1f}x, {points_lost(small):.2f} points lost"
    made = f"{100 * small['target_sparsity']:.0f} % pruned, {small['weight_bits']} bits"
    dense = percent(reference["dense"]["accuracy"])
    where = f"MobileNetV2, CIFAR stem, {made}; beside the dense network trained as long, {dense} %"
    yield Line("studies/small", f"{smaller(accurate):.1f}x smaller file", more, where)
    yield _describe_speed("studies/small", accurate)


def _summarize_resnet18() -> Iterable[Line]:
    """Return lines on the smallest files that lose nothing and less than a point, and on the speed of the first."""
    runs = read_runs("resnet18")
    lossless, small = (
        max((run for run in runs if points_lost(run) < limit), key=smaller) for limit in (NOTHING, ONE_POINT)
    )
    where = (
        f"ResNet-18, stem `light` (dense: {percent(small['dense']['accuracy'])} %), 90 % pruned, "
        f"{small['weight_bits']} bits"
    )
    more = f", nothing lost; {smaller(small):.1f}x, {points_lost(small):.2f} points lost"
    yield Line("studies/resnet18", f"{smaller(lossless):.1f}x smaller file", more, where)
    yield _describe_speed("studies/resnet18", lossless)


def _describe_speed(folder: str, run: Run) -> Line:
    """Return the line on the speed of the file that the line before names first, with 64 images."""
    where = f"the file {smaller(run):.1f}x smaller, two threads"
    sparse, int8 = (speed_ratio(run, 64, sparse=sparse) for sparse in (True, False))
    more = f" in the sparse engine and {int8:.1f}x in INT8 engines, beside the dense FP32 network in its fastest engine"
    return Line(folder, f"{sparse:.1f}x as fast", more, where)
