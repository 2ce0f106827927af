"""An artifact as a file other programs read."""

import io
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch

from compression.artifact import load_artifact, read_contents
from compression.core.errors import InputError
from compression.core.files import write_atomic
from compression.storage.blocks import MAX_DECODED_BYTES

SUFFIXES = {"state_dict": ".pt", "safetensors": ".safetensors", "onnx": ".onnx"}


def convert_file(
    path: Path,
    *,
    to: str,
    output: Path | None = None,
    allow: Sequence[str] = (),
    max_bytes: int | None = MAX_DECODED_BYTES,
) -> tuple[Path, int]:
    """Write the artifact as ``to`` beside itself or to ``output``; return the file and its bytes.

    ``state_dict`` (torch.save) and ``safetensors`` hold every tensor, zeros too, and never import the
    architecture; ``onnx`` has batch normalization folded, and what the artifact holds as integers in integers. Raises
    InputError.
    """
    if to not in SUFFIXES:
        raise InputError(f"--to {to!r} is unknown; allowed: {', '.join(SUFFIXES)}")
    output = output or path.with_suffix(SUFFIXES[to])
    if output.resolve() == path.resolve():
        raise InputError(f"--output {output} is the artifact itself; allowed: another file")
    if to == "onnx":
        from compression.runtimes.onnx_export import export_onnx

        artifact = load_artifact(path, allow=allow, max_bytes=max_bytes)
        num_bytes = export_onnx(
            artifact.model,
            output,
            image_size=artifact.image_size,
            class_names=artifact.class_names,
            mean=artifact.mean,
            std=artifact.std,
        )
        return output, num_bytes
    state = read_contents(path).decode(max_bytes=max_bytes)
    if to == "safetensors":
        data = safetensors.torch.save(state, metadata={"format": "pt"})
    else:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
    write_atomic(output, data)
    return output, len(data)
