"""The command ``convert``: an artifact as a file that other programs read."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from compression.artifact import load_artifact, read_contents
from compression.commands.export_artifact import export_artifact
from compression.core.errors import InputError
from compression.quantization.plan import Plan, describe_arithmetic, describe_plain_file
from compression.storage.blocks import MAX_DECODED_BYTES
from compression.storage.safetensors_bitmask import write_bitmask_file
from compression.system.extras import require_packages
from compression.system.files import write_atomic

SUFFIXES = {
    "state_dict": ".pt",
    "safetensors": ".safetensors",
    "safetensors_bitmask": ".bitmask.safetensors",
    "onnx": ".onnx",
    # A folder.
    "c": ".c_source",
}
_LABELS = {
    "state_dict": "PyTorch state dict",
    "safetensors": "safetensors",
    "safetensors_bitmask": "safetensors, sparse weights with a bitmask",
    "onnx": "ONNX",
    "c": "C source",
}


@dataclass(frozen=True)
class COptions:
    """Options of ``c``: the width of vectors, what tables are made for ("size" or "speed"), and images for the test."""

    vector: str = "auto"
    optimize: str = "speed"
    images: Path | None = None


@dataclass(frozen=True)
class Converted:
    """A written file or folder: its path, its format in words, and its size in bytes; then facts, a line each."""

    path: Path
    label: str
    num_bytes: int
    facts: tuple[str, ...] = ()


def convert_file(
    path: Path,
    *,
    to: str,
    output: Path | None = None,
    allow: Sequence[str] = (),
    max_bytes: int | None = MAX_DECODED_BYTES,
    c_options: COptions | None = None,
) -> Converted:
    """Convert the artifact to the format ``to``. Write it to ``output``, by default to a new file beside the artifact.

    ``state_dict`` (torch.save) and ``safetensors`` hold every tensor, including zeros. ``safetensors_bitmask`` leaves
    out the zeros of weights where that is smaller. None of these three imports the architecture. In ``onnx``, batch
    normalization is folded, and weights that the artifact holds as integers stay integers. ``c`` writes a folder, as
    ``c_options`` say. Raises InputError.
    """
    if to not in SUFFIXES:
        raise InputError(f"--to {to!r} is unknown; allowed: {', '.join(SUFFIXES)}")
    output = output or _choose_output(path, to)
    if output.resolve() == path.resolve():
        raise InputError(f"--output {output} is the artifact itself; allowed: another file")
    if to != "c" and c_options is not None:
        raise InputError(f"--vector, --optimize and --images belong to --to c; --to is {to}")
    if to == "c":
        from compression.commands.convert_to_c import convert_to_c

        artifact = load_artifact(path, allow=allow, max_bytes=max_bytes)
        num_bytes, facts = convert_to_c(artifact, output, options=c_options or COptions(), run_folder=path.parent)
        return Converted(output, _label(to, artifact.plan), num_bytes, facts)
    if to == "onnx":
        require_packages("onnx", "onnxscript")
        artifact = load_artifact(path, allow=allow, max_bytes=max_bytes)
        num_bytes = export_artifact(artifact, output)
        return Converted(output, _label(to, artifact.plan), num_bytes)
    contents = read_contents(path)
    state = contents.decode_state(max_bytes=max_bytes)
    if to == "safetensors":
        data = safetensors.torch.save(state, metadata={"format": "pt"})
    elif to == "safetensors_bitmask":
        data = write_bitmask_file(state)
    else:
        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getvalue()
    write_atomic(output, data)
    return Converted(output, _label(to, contents.plan), len(data))


def _choose_output(path: Path, to: str) -> Path:
    """Return the path beside the artifact; raises InputError if a file is there."""
    output = path.with_suffix(SUFFIXES[to])
    # It may be the run's own model.onnx, which holds what was measured. ``c`` accepts an empty folder.
    if output.exists() and to != "c":
        raise InputError(f"{output} exists already; allowed: --output with a new file, or with this one to replace it")
    return output


def _label(to: str, plan: Plan | None) -> str:
    return f"{_LABELS[to]}, {describe_plain_file(describe_arithmetic(plan) if plan else None)}"
