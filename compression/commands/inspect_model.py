"""The command ``inspect``: the content of an artifact, read from the file. Only built-in models are built."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from compression.artifact import Contents, read_contents
from compression.commands.fact_lines import describe_notes
from compression.commands.processor_note import describe_saturation
from compression.commands.sparse_cost import describe_sparse_cost
from compression.commands.text_table import format_table
from compression.core.preparation import COLOUR_NAMES
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.plan import describe_arithmetic
from compression.reporting.byte_shares import bits_of, count_formula, count_shares, list_weights
from compression.storage.accounting import order0_bits
from compression.storage.blocks import MAX_DECODED_BYTES, Block

_COLUMNS = ("tensor", "shape", "zeros", "bits", "codec", "bytes", "bits/value")


def inspect_file(path: Path, *, max_bytes: int | None = MAX_DECODED_BYTES) -> str:
    """Return the text about an artifact: summary, tensors, breakdown of bytes, sizes, cost in the sparse engine.

    ``max_bytes`` limits the memory of the decoded tensors. Raises ArtifactError.
    """
    contents = read_contents(path)
    state = contents.decode(max_bytes=max_bytes)
    rows = [_row(block, state, bits=bits_of(contents, block)) for block in contents.blocks]
    parts = [
        _summarize(contents, path=path),
        format_table(_COLUMNS, rows=rows, right=(2, 3, 5, 6)),
        format_table(("part", "bytes", "share"), rows=list(_breakdown(contents)), right=(1, 2)),
        _compare(contents, state),
        describe_sparse_cost(path, max_bytes=max_bytes),
    ]
    return "\n\n".join(parts)


def _row(block: Block, state: Mapping[str, Tensor], *, bits: int) -> tuple[str, ...]:
    values = [state[name] for name in block.names]
    zeros = sum(int((value == 0).sum()) for value in values)
    several = len(block.names) > 1
    return (
        f"{len(block.names)} x {block.role}" if several else block.names[0],
        f"{block.numel} in all" if several else "x".join(map(str, block.shapes[0])) or "scalar",
        f"{100 * zeros / block.numel:.2f} %" if block.numel else "-",
        str(bits),
        block.codec,
        f"{block.num_bytes:,}",
        f"{8 * block.num_bytes / block.numel:.3f}" if block.numel else "-",
    )


def _summarize(contents: Contents, *, path: Path) -> str:
    card = contents.card
    architecture = card.architecture
    arguments = {"num_classes": architecture.num_classes, **architecture.kwargs}
    names = ", ".join(card.class_names[:10]) + (", ..." if len(card.class_names) > 10 else "")
    size, preparation = card.input.size, card.input.preparation
    numbers = f"mean {_numbers(card.input.mean)}, std {_numbers(card.input.std)}"
    lines = {
        "file": str(path),
        "architecture": f"{architecture.target}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})",
        "classes": f"{len(card.class_names)}: {names}",
        "input": f"{COLOUR_NAMES[preparation.channels]} {size}x{size}, {preparation.describe_fit()}, {numbers}",
        **describe_notes(card),
    }
    if contents.plan is not None:
        lines["arithmetic"] = describe_arithmetic(contents.plan)
    if (saturation := describe_saturation(contents.plan)) is not None:
        lines["note"] = saturation
    return format_table(("", ""), rows=list(lines.items())).strip("\n")


def _breakdown(contents: Contents) -> Iterator[tuple[str, str, str]]:
    """Yield rows of purpose, bytes and share of the file, and a last row for the file."""
    for name, num_bytes in {**count_shares(contents), "file": contents.file_bytes}.items():
        yield name, f"{num_bytes:,}", f"{100 * num_bytes / contents.file_bytes:.2f} %"


def _compare(contents: Contents, state: Mapping[str, Tensor]) -> str:
    """Return a table that compares the file with the dense file, the usual size formula and the order-0 bound."""
    weights = list_weights(contents)
    formula = count_formula(contents, state)
    dense_bytes, dense_name = contents.dense_bytes, "dense model, safetensors"
    if dense_bytes is None:
        dense_bytes, dense_name = len(safetensors.torch.save(dict(state))), "the same tensors, safetensors"
    payload = sum(block.num_bytes for block in weights)
    rows = [
        (dense_name, dense_bytes, ""),
        ("this file", contents.file_bytes, "every byte"),
        ("formula", formula, "nonzero * (bits + 3) / 8 + 4 * channels: no fillers, biases, header or entropy code"),
        ("weights in this file", payload, ""),
    ]
    if all(bits_of(contents, block) < FULL_PRECISION for block in weights):
        bound = sum(order0_bits(state[block.names[0]].numpy()) for block in weights)
        rows.append(("order-0 bound", round(bound / 8), "of the weights alone; only codecs with contexts go below"))
    table = [(name, f"{size:,}", f"{dense_bytes / size:.2f}x" if size else "-", why) for name, size, why in rows]
    return format_table(("compared", "bytes", "smaller", ""), rows=table, right=(1, 2))


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.4f}" for value in values)
