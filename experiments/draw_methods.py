"""Draw bytes against accuracy for every method of the studies' records, with what other studies report.

    make results

It writes docs/pictures/methods.png. Each change of accuracy is against the dense network that was compressed, or
against the same trained as long, if that is better (the narrow network: against the wide one trained as long). Each
size is against the float32 safetensors file of the dense network.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from draw_front import Dot, change, published
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from result_tables.known_studies import STRATEGIES
from result_tables.runs import Run, price, read_runs, smaller
from result_tables.storage import best, read_nncodec
from result_tables.table import read

from compression.reporting.figures import save_figure
from compression.reporting.figures.style import ACCENT, AFTER, BEFORE, INK, TEXT, TITLE, remove_frame

HERE = Path(__file__).resolve().parent
GREEN, PURPLE = "#009e73", "#a05195"
# Below this loss in points the scale is linear, and above it logarithmic.
LINEAR = 2
TICKS = (1, 0, -1, -2, -5, -10, -20, -50, -90)
KINDS = {"layerwise_l1": "weights", "layerwise_structured_l1": "channels"}
RANDOM, CHANNELS = STRATEGIES["oneshot_random"], STRATEGIES["iterative_structured_l2"]


class Series(NamedTuple):
    """The dots of one method, and how they look."""

    label: str
    dots: list[Dot]
    marker: str
    colour: str


def main() -> None:
    """Write docs/pictures/methods.png."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.subplots()
    for series in list_series():
        columns = ([dot.ratio for dot in series.dots], [dot.change for dot in series.dots])
        axes.plot(*columns, series.marker, color=series.colour, markersize=6.5, label=series.label)
    name_known(axes)
    axes.axhline(0, color=BEFORE, linewidth=1, zorder=0)
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], labels=["1x", "2x", "5x", "10x", "20x", "50x", "100x"])
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.set_yticks(TICKS, labels=[f"{tick:+d}" if tick > 0 else str(tick) for tick in TICKS])
    axes.minorticks_off()
    axes.set_ylim(-120, 1.2)
    axes.grid(alpha=0.25)
    axes.set_xlabel("times smaller file", fontsize=TEXT)
    axes.set_ylabel("accuracy change, points", fontsize=TEXT)
    axes.set_title("Every method: up and right is better", fontsize=TITLE, loc="left")
    remove_frame(axes)
    figure.legend(loc="outside right upper", fontsize=TEXT, frameon=False)
    save_figure(figure, HERE.parent / "docs" / "pictures" / "methods.png")


def list_series() -> Iterable[Series]:
    """Yield the methods: MobileNetV2 first, then the other networks, then what the studies report."""
    by_strategy = group(read_runs("a"), lambda run: STRATEGIES[run["strategy"]])
    pruned = [run for run in read_runs("b") if run["weight_bits"] == 32]
    yield Series("MobileNetV2, smallest weights, in steps", dots_of(pruned), "o", AFTER)
    at_once = by_strategy.get(STRATEGIES["oneshot_l1"], [])
    yield Series("the same, at once", dots_of(at_once), "v", AFTER)
    yield Series("random weights, at once", dots_of(by_strategy.get(RANDOM, [])), "P", AFTER)
    yield Series("channels, in steps", dots_of(by_strategy.get(CHANNELS, [])), "D", AFTER)
    rounded = dots_of(run for run in read_runs("b") if run["weight_bits"] < 32)
    yield Series("in steps, 6 or 8 bits", rounded, "s", ACCENT)
    priced = dots_of(run for run in read_runs("small") if price(run) != "0")
    yield Series("8 bits, each stored bit has a price", priced, "*", ACCENT)
    yield Series("NNCodec on the network with 90 % zeros", list_nncodec(), ".", INK)
    yield Series("narrow dense network, INT8", list_narrow(), "X", GREEN)
    yield Series("ResNet-18, 90 % of the weights", dots_of(read_runs("resnet18")), "^", GREEN)
    yield Series("ResNet-18, distilled and INT8 (C)", dots_of(read_runs("c")), "<", GREEN)
    for kind, runs in group(read_runs("d"), lambda run: KINDS[run["strategy"]]).items():
        yield Series(f"VGG-11, {kind} by layer (D)", dots_of(runs), "hp"[kind == "channels"], PURPLE)
    yield Series("known studies A, B, C", published("smaller"), "x", INK)


def group(runs: Iterable[Run], key: Callable[[Run], str]) -> Mapping[str, list[Run]]:
    """Return the runs by ``key``, in the order in which they come."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found


def dots_of(runs: Iterable[Run]) -> list[Dot]:
    """Return where the runs stand."""
    return [Dot(smaller(run), change(run)) for run in runs]


def list_nncodec() -> list[Dot]:
    """Return NNCodec's best files of the pruned MobileNetV2 of study B, whose activations stay in float."""
    record = read("storage/nncodec/mobilenet_v2_90.json")
    dense, accuracy = record["bytes_unencoded"], record["accuracy_dense"]
    return [Dot(dense / size, 100 * (found - accuracy)) for size, found in best(read_nncodec("mobilenet_v2_90"))]


def list_narrow() -> list[Dot]:
    """Return the networks that are narrow from the start, beside the wide one that was trained as long."""
    dots = []
    for run in read_runs("narrow"):
        [wide] = [row["dense"] for row in read_runs("dense") if row["epochs"] == run["epochs"]]
        ratio = wide["bytes"]["safetensors"] / run["compressed"]["bytes"]["artifact"]
        dots.append(Dot(ratio, 100 * (run["compressed"]["accuracy"] - wide["accuracy"])))
    return dots


def name_known(axes: Axes) -> None:
    """Write the letter of its study beside each cross."""
    for letter, study in read("studies/known.json").items():
        for row in study["rows"]:
            place = (row["smaller"], 100 * (row["accuracy"] - study["dense"]))
            axes.annotate(letter.upper(), place, xytext=(6, 3), textcoords="offset points", fontsize=TEXT, color=INK)


if __name__ == "__main__":
    main()
