"""The quantization section of a report, in Markdown: bits and bytes of each layer, and what ran in integers."""

from collections.abc import Mapping
from typing import Any

from compression.core.text import shorten
from compression.reporting.markdown import escape, to_table
from compression.reporting.parity_text import describe_logit_error, describe_optimization


def to_markdown(quantization: Mapping[str, Any]) -> str:
    """Return the quantization section of ``report.md`` from the entry ``quantization`` of ``metrics.json``."""
    layers, parity = quantization["layers"], quantization["parity"]
    rows = [
        (
            escape(row["layer"]),
            str(row["weight_bits"]),
            str(row["activation_bits"]),
            f"{row['weights']:,}",
            f"{100 * row['zeros'] / row['weights']:.1f} %",
            f"{row['bytes']:,}",
        )
        for row in layers
    ]
    weights, zeros, num_bytes = (sum(row[key] for row in layers) for key in ("weights", "zeros", "bytes"))
    total = f"| all | | | {weights:,} | {100 * zeros / weights:.1f} % | {num_bytes:,} |"
    header = ("layer", "bits of weight", "bits of input", "weights", "zeros", "bytes packed, before coding")
    lines = ["", "## Quantization", "", f"{quantization['arithmetic']} ({quantization['method']}).", ""]
    lines += [_describe_parity(parity), "", *_remarks(quantization), *to_table(header, rows), total, ""]
    return "\n".join(lines)


def _describe_parity(parity: Mapping[str, Any]) -> str:
    counts = parity["executed_layers"]["counts"]
    level = describe_optimization(parity)
    integer, floating = (sum(kind[key] for kind in counts.values()) for key in ("integer", "float"))
    return (
        f"Execution by {parity['engine']} against the simulation, on {parity['images']:,} test images: "
        f"{_describe_agreement(parity)}, logits at most {parity['max_logit_difference']:.3f} apart; "
        f"accuracy {100 * parity['accuracy_executed']:.2f} % and {100 * parity['accuracy_simulated']:.2f} %. "
        f"Of the operators that compute, {integer} ran in integers and {floating} in float{_name_floats(parity)}; "
        f"processor: {_describe_cpu(parity['cpu'])}{f'; graph optimizations: {level}' if level else ''}."
        f"{_describe_sparse(parity.get('sparse'))}"
    )


def _describe_agreement(parity: Mapping[str, Any]) -> str:
    text, logits = f"{100 * parity['agreement']:.2f} % the same class", describe_logit_error(parity)
    return text if logits is None else f"{text}, relative error of logits {logits[0]} ({logits[1]})"


def _describe_sparse(parity: Mapping[str, Any] | None) -> str:
    """Return the sentence about the sparse engine; nothing if the run did not use it."""
    if parity is None:
        return ""
    return (
        f" The engine sparse, on integers that floats carry: {_describe_agreement(parity)}, "
        f"logits at most {parity['max_logit_difference']:.2g} apart."
    )


def _name_floats(parity: Mapping[str, Any]) -> str:
    names = [
        escape(f"{layer['name']} ({layer['op']})")
        for layer in parity["executed_layers"]["layers"]
        if not layer["integer"]
    ]
    return f" ({shorten(names, limit=6)})" if names else ""


def _describe_cpu(cpu: Mapping[str, Any]) -> str:
    found = [name for name in ("vnni", "amx_int8", "avx512", "avx2", "dot_product", "i8mm") if cpu[name]]
    return f"{cpu['name'] or cpu['architecture']}, {', '.join(found) or 'no known 8-bit instructions'}"


def _remarks(quantization: Mapping[str, Any]) -> list[str]:
    remarks = []
    if quantization["reduced_range"]:
        remarks += [
            "Weights of 8 bits were rounded to 7, because sums of their products could saturate on this processor.",
            "",
        ]
    if quantization["left_in_float"]:
        remarks += [f"Left in float: {', '.join(map(escape, quantization['left_in_float']))}.", ""]
    return remarks
