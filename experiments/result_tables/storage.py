"""The tables of the compressed file: bytes by codec, their bounds, and NNCodec's files beside ours."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from result_tables.table import percent, read, to_table

Row = dict[str, Any]
Point = tuple[float, float]
# In points. Nobody wants files that lose more.
MOST_LOST = 5
CODECS = ("dense", "bitmask", "coo", "csr", "csc", "delta", "gzip", "zstd", "ans", "context")


def option(row: Row, key: str) -> str:
    """Return the value of an override of a row, "0" if the row does not have it."""
    return next((text.partition("=")[2] for text in row["overrides"] if text.startswith(f"{key}=")), "0")


def read_grid(model: str) -> list[Row]:
    """Return the rows whose weights were tried in every codec: more zeros and fewer bits last."""
    rows = [row for row in read(f"storage/{model}.json")["rows"] if row["by_codec"]]
    return sorted(rows, key=lambda row: (option(row, "sparsity"), -row["bits"]["weight"], -row["bits"]["activation"]))


def make_codecs(model: str) -> str:
    """Return KiB of the complete file with each codec for its weights, beside the formula and the bound."""

    def cells(row: Row) -> Sequence[str]:
        rest = row["file"] - row["weights"]
        sizes = [row["by_codec"][codec]["bytes"] + rest for codec in CODECS]
        return (_name(row), *(f"{size / 1024:,.0f}" for size in (*sizes, row["formula"], _bound(row))))

    rows = [row for row in read_grid(model) if row["bits"]["activation"] == 8]
    return to_table(("zeros, bits", *CODECS, "formula", "order-0 bound"), map(cells, rows))


def make_bounds(model: str) -> str:
    """Return the bytes of the files that were written, against dense and against their bounds, and their accuracy."""
    dense = read(f"storage/{model}.json")["dense_accuracy"]

    def cells(row: Row) -> Sequence[str]:
        return (
            _name(row),
            f"{row['file']:,}",
            f"**{row['smaller']:.1f}x**",
            f"{row['dense'] / row['formula']:.1f}x",
            f"{row['weights'] / row['order0']:.3f}",
            f"{row['file'] / _bound(row):.3f}",
            f"{row['header'] + row['tables']:,}",
            f"{row['scales']:,}",
            f"{row['biases']:,}",
            percent(row["accuracy"], 2),
            f"{100 * (dense - row['accuracy']):+.2f}",
        )

    sizes = ("file, bytes", "smaller", "formula says", "weights / order-0", "file / bound", "header and tables")
    header = ("zeros, bits", *sizes, "scales", "biases", "test, %", "lost")
    return to_table(header, map(cells, read_grid(model)))


def make_prices(curve: str) -> str:
    """Return our files by the price of a stored bit, beside NNCodec's bytes at equal accuracy."""
    theirs = best(read_nncodec(curve))

    def cells(row: Row) -> Sequence[str]:
        equal = at_accuracy(theirs, row["accuracy"])
        outside = "more than any" if row["accuracy"] > theirs[-1][1] else "less than any"
        return (
            option(row, "quantization.rdoq_lambda"),
            f"{row['file']:,}",
            f"{row['smaller']:.1f}x",
            percent(row["accuracy"], 2),
            outside if equal is None else f"{equal:,.0f}",
            "-" if equal is None else f"{row['file'] / equal:.2f}",
        )

    rows = sorted(read(f"storage/curve_{curve}.json")["rows"], key=lambda row: -row["file"])
    header = ("price of a bit", "file, bytes", "smaller", "test, %", "NNCodec at this accuracy", "ours / NNCodec")
    return to_table(header, map(cells, rows), text=0)


def make_nncodec(curve: str) -> str:
    """Return the files of NNCodec that lose few points, and that no other one beats in both bytes and accuracy."""
    record = read(f"storage/nncodec/{curve}.json")
    front = set(best(read_nncodec(curve)))

    def list_rows() -> Iterable[Sequence[str]]:
        for row in sorted(record["rows"], key=lambda row: -row["bytes"]):
            lost = 100 * (record["accuracy_unencoded"] - row["accuracy"])
            if lost < MOST_LOST and (row["bytes"], row["accuracy"]) in front:
                seconds = (f"{row['encode_s']:.1f}", f"{row['decode_s']:.2f}")
                yield (row["name"], f"{row['bytes']:,}", percent(row["accuracy"], 2), f"{lost:+.2f}", *seconds)

    header = ("settings", "bytes", "test, %", "lost", "encode, s", "decode, s")
    return to_table(header, list_rows())


def read_nncodec(curve: str) -> list[Point]:
    """Return (bytes, accuracy) of every NNCodec file of the same weights."""
    return [(row["bytes"], row["accuracy"]) for row in read(f"storage/nncodec/{curve}.json")["rows"]]


def best(points: Iterable[Point]) -> list[Point]:
    """Return the Pareto front of (bytes, accuracy), by rising bytes."""
    front: list[Point] = []
    for size, accuracy in sorted(points, key=lambda point: (point[0], -point[1])):
        if not front or accuracy > front[-1][1]:
            front.append((size, accuracy))
    return front


def at_accuracy(front: Sequence[Point], accuracy: float) -> float | None:
    """Return the bytes at which a front has an accuracy, interpolated linearly; None outside of the front."""
    for (small, low), (large, high) in itertools.pairwise(front):
        if low <= accuracy <= high:
            return small + (large - small) * (accuracy - low) / (high - low)
    return None


def _name(row: Row) -> str:
    bits = row["bits"]
    return f"{100 * float(option(row, 'sparsity')):g} %, W{bits['weight']}A{bits['activation']}"


def _bound(row: Row) -> float:
    """Return the bytes of weights at their order-0 entropy, with the scales and biases as stored."""
    return float(row["order0"] + row["scales"] + row["biases"])
