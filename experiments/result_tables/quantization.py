"""The table of networks in INT8."""

from collections.abc import Sequence

from result_tables.table import lost, percent, read, to_table

NAMES = {"mobilenet_v2": "MobileNetV2", "resnet18": "ResNet-18", "vgg11": "VGG-11"}


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
