"""What stands in an artifact, read from the file alone, without building the model."""

from pathlib import Path
from typing import Any

import safetensors.torch

from compression.artifact import Contents, read_contents
from compression.commands.text_table import format_table
from compression.quantization.plan import describe_arithmetic


def inspect_file(path: Path) -> str:
    """Return summary, table of tensors and totals of an artifact as text; raises ArtifactError."""
    contents = read_contents(path)
    state = contents.decode()
    zeros = {name: int((tensor == 0).sum()) for name, tensor in state.items()}
    rows = [
        (
            record.name,
            "x".join(map(str, record.shape)) or "scalar",
            str(record.dtype).removeprefix("torch."),
            _percent(zeros[record.name], record.numel),
            record.codec,
            f"{record.num_bytes:,}",
        )
        for record in contents.tensors
    ]
    header = ("tensor", "shape", "dtype", "zeros", "codec", "bytes")
    dense_bytes = len(safetensors.torch.save(state))
    parts = [
        _summarize(contents, path=path),
        format_table(header, rows=rows, right=(3, 5)),
        _total(contents, zeros=zeros, dense_bytes=dense_bytes),
    ]
    return "\n\n".join(parts)


def _summarize(contents: Contents, *, path: Path) -> str:
    card = contents.card
    architecture = card.architecture
    arguments = {"num_classes": architecture.num_classes, **architecture.kwargs}
    names = ", ".join(card.class_names[:10]) + (", ..." if len(card.class_names) > 10 else "")
    size = card.input.size
    lines = {
        "file": str(path),
        "architecture": f"{architecture.target}({', '.join(f'{k}={v!r}' for k, v in arguments.items())})",
        "classes": f"{len(card.class_names)}: {names}",
        "input": f"RGB {size}x{size}, mean {_numbers(card.input.mean)}, std {_numbers(card.input.std)}",
        **{str(key): _show(value) for key, value in card.info.items()},
    }
    if contents.plan is not None:
        lines["arithmetic"] = describe_arithmetic(contents.plan)
    return format_table(("", ""), rows=list(lines.items())).strip("\n")


def _total(contents: Contents, *, zeros: dict[str, int], dense_bytes: int) -> str:
    file_bytes, payload_bytes = contents.file_bytes, len(contents.payload)
    weights = [record for record in contents.tensors if len(record.shape) > 1]
    values = sum(record.numel for record in weights)
    pruned = sum(zeros[record.name] for record in weights)
    rest = payload_bytes - sum(record.num_bytes for record in weights)
    rows = [
        ("weights (2 dimensions and more)", f"{payload_bytes - rest:,}", f"{_percent(pruned, values)} zeros"),
        ("biases, normalization, counters", f"{rest:,}", ""),
        ("header and checksums", f"{file_bytes - payload_bytes:,}", ""),
        ("file", f"{file_bytes:,}", f"{file_bytes / 2**20:.2f} MiB"),
        ("the same tensors as safetensors", f"{dense_bytes:,}", f"{dense_bytes / file_bytes:.2f} x the file"),
    ]
    return format_table(("part", "bytes", ""), rows=rows, right=(1,))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.4f}" for value in values)


def _show(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
