"""The evaluate stage: load both written files anew, test them once, measure them side by side."""

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compression.artifact import Artifact, load_artifact
from compression.core.accuracy import count_hits
from compression.core.counting import (
    count_layer_weights,
    count_macs,
    count_nonzero_parameters,
    count_parameters,
    layer_sparsity,
    model_sparsity,
)
from compression.reporting.provenance import describe_machine, describe_software
from compression.stages.context import Context
from compression.stages.export import ARTIFACT, ONNX
from compression.stages.network_files import WEIGHTS
from compression.stages.step_files import STEPS
from compression.stages.timing import time_files, time_steps
from compression.store import Made, StageKey, StageRecord

VERSION = 2


def obtain_evaluated(
    context: Context, dense: StageRecord, files: Mapping[str, StageRecord], pruned: StageRecord | None = None
) -> StageRecord:
    """Return test accuracy, counts, bytes and timings of the ``dense`` and the ``compressed`` of ``files``.

    ``pruned`` is the stage whose steps are timed as well.

    Timings belong to a machine, so on another one, or with other packages, they are taken anew.
    """
    inputs = {
        "runtime": asdict(context.config.runtime),
        "arithmetic": context.arithmetic_identity,
        "machine": describe_machine(),
        "software": describe_software(),
    }
    steps = [] if pruned is None else sorted((pruned.path / STEPS).glob("*.cmp"), key=lambda path: int(path.stem))
    parents = (dense.id, files["dense"].id, files["compressed"].id, *([pruned.id] if pruned else []))
    folders = {name: record.path for name, record in files.items()}
    make = partial(_evaluate, context, dense.path / WEIGHTS, folders, steps)
    return context.store.obtain(StageKey("evaluate", VERSION, inputs, parents), make)


def _evaluate(
    context: Context, dense_weights: Path, folders: Mapping[str, Path], steps: Sequence[Path], folder: Path
) -> Made:
    del folder
    loaded = {name: load_artifact(path / ARTIFACT, allow=context.allowed_imports) for name, path in folders.items()}
    # A student's sparsity is of its own weights, all of which the dense model need not even have.
    whole = {
        "dense": count_layer_weights(loaded["dense"].model),
        "compressed": count_layer_weights(context.student.build_model(pretrained=False)),
    }
    results = {name: _count(context, artifact, whole[name]) for name, artifact in loaded.items()}
    for name, path in folders.items():
        results[name]["bytes"] = {
            "artifact": (path / ARTIFACT).stat().st_size,
            "onnx": (path / ONNX).stat().st_size,
            "gzip_state_dict": _gzip_bytes(loaded[name].model),
        }
    results["dense"]["bytes"]["safetensors"] = dense_weights.stat().st_size
    timing = time_files(context, loaded, folders)
    timing["steps"] = time_steps(context, loaded["dense"].model, steps)
    torch.set_num_threads(context.threads)
    return Made({**results, "timing": timing})


def _count(context: Context, artifact: Artifact, whole: Mapping[str, int]) -> dict[str, Any]:
    model = artifact.model
    hits, totals = count_hits(model.to(context.device), context.test_batches(), context.num_classes)
    model.cpu()
    per_class = zip(artifact.class_names, hits.tolist(), totals.tolist(), strict=True)
    return {
        "accuracy": hits.sum().item() / totals.sum().item(),
        "accuracy_per_class": {name: hit / total if total else None for name, hit, total in per_class},
        "test_images": int(totals.sum()),
        "sparsity": model_sparsity(model, whole),
        "layer_sparsity": layer_sparsity(model, whole),
        "parameters": count_parameters(model),
        "nonzero_parameters": count_nonzero_parameters(model),
        "macs": count_macs(model, artifact.image_size),
    }


def _gzip_bytes(model: nn.Module) -> int:
    plain = io.BytesIO()
    torch.save(model.state_dict(), plain)
    return len(gzip.compress(plain.getvalue(), mtime=0))
