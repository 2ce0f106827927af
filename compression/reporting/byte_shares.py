"""Breakdown of an artifact's bytes by purpose, and the bytes of the size formula that most papers report."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from compression.artifact import Contents
from compression.reporting.markdown import to_table
from compression.storage.accounting import FORMULA, LayerCount, formula_bytes
from compression.storage.blocks import Block, split_payload

# Roles of the vectors in a quantized layer that the breakdown counts as scales and as biases.
_SCALES, _BIASES = {"weight_scale", "scale_middle", "scale"}, {"bias", "bias_step"}
# Key in `metrics.json` and name for people of each part of a file.
PARTS = {
    "values": "weights: values",
    "indices": "weights: index of zeros",
    "tables": "weights: tables, widths",
    "scales": "scales",
    "biases": "biases",
    "normalization": "normalization, others",
    "header": "header, checksums",
}


def count_parts(contents: Contents) -> dict[str, int]:
    """Return the number of bytes by purpose, with the keys of ``PARTS``. Together they are the size of the file."""
    measured = [
        (block, block.measure(data))
        for block, data in zip(contents.blocks, split_payload(contents.blocks, contents.payload), strict=True)
    ]
    weights = [parts for block, parts in measured if len(block.shape) > 1]
    vectors = [(block, parts) for block, parts in measured if len(block.shape) <= 1]
    scales = sum(parts.total for block, parts in vectors if block.role in _SCALES)
    biases = sum(parts.total for block, parts in vectors if block.role in _BIASES)
    return {
        "values": sum(parts.values for parts in weights),
        "indices": sum(parts.index for parts in weights),
        "tables": sum(parts.side for parts in weights),
        "scales": scales,
        "biases": biases,
        "normalization": sum(parts.total for _, parts in vectors) - scales - biases,
        "header": contents.file_bytes - len(contents.payload),
    }


def count_shares(contents: Contents) -> dict[str, int]:
    """Return the number of bytes by purpose, in words for people. Together they are the size of the file."""
    return {PARTS[key]: num_bytes for key, num_bytes in count_parts(contents).items()}


def count_formula(contents: Contents, state: Mapping[str, Tensor]) -> int:
    """Return the bytes by the formula: ``nonzero * (bits + 3) / 8 + 4 * channels``, summed over the weights.

    ``state`` is the decoded content. Weights that are not quantized have no scales, so their channels do not count.
    """
    return formula_bytes({block.names[0]: _count_layer(contents, block, state) for block in list_weights(contents)})


def list_weights(contents: Contents) -> list[Block]:
    """Return the blocks of convolution and linear weights."""
    return [block for block in contents.blocks if len(block.shape) > 1]


def bits_of(contents: Contents, block: Block) -> int:
    """Return the bits per value: those of the quantization plan for integer weights, else those of the type."""
    if contents.plan is not None and _is_quantized(contents, block):
        return contents.plan.layers[block.owners[0]].weight
    return 8 * block.dtype.itemsize


def _is_quantized(contents: Contents, block: Block) -> bool:
    plan = contents.plan
    return plan is not None and block.role == "weight" and block.dtype == torch.int8 and block.owners[0] in plan.layers


def _count_layer(contents: Contents, block: Block, state: Mapping[str, Tensor]) -> LayerCount:
    return LayerCount(
        nonzero=int((state[block.names[0]] != 0).sum()),
        bits=bits_of(contents, block),
        channels=block.shape[0] if _is_quantized(contents, block) else 0,
    )


def parts_to_markdown(compressed: Mapping[str, Any], dense: Mapping[str, Any]) -> str:
    """Return the section of ``report.md`` on the bytes of ``model.cmp``, from ``bytes`` of both models' metrics."""
    total = compressed["artifact"]
    rows: list[tuple[str, str, str]] = []
    for key, name in PARTS.items():
        num_bytes = compressed["parts"][key]
        rows.append((name, f"{num_bytes:,}", f"{100 * num_bytes / total:.1f} %"))
    rows.append(("the file", f"{total:,}", "100.0 %"))
    formula, whole = compressed["formula"], dense["safetensors"]
    note = (
        f"The formula, {FORMULA}, gives {formula:,} bytes. It leaves out biases, header and filler entries, and knows "
        f"no entropy coding. The dense model as safetensors, {whole:,} bytes, is {whole / total:.2f} times the file "
        f"and {whole / max(1, formula):.2f} times the formula."
    )
    table = to_table(("part", "bytes", "share"), rows)
    return "\n".join(["", "## Bytes of model.cmp", "", *table, "", note, ""])
