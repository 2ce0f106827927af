"""Breakdown of an artifact's bytes by purpose."""

from compression.artifact import Contents
from compression.storage.blocks import split_payload

# Roles of the vectors in a quantized layer that the breakdown counts as scales and as biases.
_SCALES, _BIASES = {"weight_scale", "scale"}, {"bias"}


def count_shares(contents: Contents) -> dict[str, int]:
    """Return the number of bytes by purpose. Together they are the size of the file."""
    measured = [
        (block, block.measure(data))
        for block, data in zip(contents.blocks, split_payload(contents.blocks, contents.payload), strict=True)
    ]
    weights = [parts for block, parts in measured if len(block.shape) > 1]
    vectors = [(block, parts) for block, parts in measured if len(block.shape) <= 1]
    scales = sum(parts.total for block, parts in vectors if block.role in _SCALES)
    biases = sum(parts.total for block, parts in vectors if block.role in _BIASES)
    return {
        "weights: values": sum(parts.values for parts in weights),
        "weights: index of zeros": sum(parts.index for parts in weights),
        "weights: tables, widths": sum(parts.side for parts in weights),
        "scales": scales,
        "biases": biases,
        "normalization, others": sum(parts.total for _, parts in vectors) - scales - biases,
        "header, checksums": contents.file_bytes - len(contents.payload),
    }
