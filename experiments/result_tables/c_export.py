"""The table of the C programs."""

from collections.abc import Iterable, Sequence

from result_tables.table import read, to_table


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
