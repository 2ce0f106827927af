"""The evaluate stage: the dense and the compressed file, tested once and timed alternately."""

import gzip
import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compression.artifact import Artifact, load_artifact
from compression.config.rules import result_settings
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
from compression.run.context import Context
from compression.run.names import ARTIFACT, ONNX, STEPS, WEIGHTS
from compression.run.report.timing import time_files, time_steps
from compression.run.stage import Finished
from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.engines import choose_engines, make_runtime
from compression.runtimes.parity import compare_predictions
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse.sparse_engine import SparseRuntime
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 5
# The engine whose integer kernels run the quantized file.
_EXECUTED_BY = "onnxruntime"


def obtain_evaluated(context: Context, made: Finished) -> StageRecord:
    """Return test accuracy, counts, bytes and timings of the dense and the compressed files, and of pruning steps.

    The machine and its software are part of the key: on another machine, timings are measured again.
    """
    dense, files = made["dense"], {"dense": made["dense_export"], "compressed": made["export"]}
    pruned = made.get("prune")
    engines, left_out = choose_engines(context.config.runtime.engines)
    inputs = {
        # A compiler that is installed later adds an engine.
        "runtime": {**result_settings(context.config.runtime), "engines": engines, "left_out": list(left_out)},
        "arithmetic": context.machine.identity,
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
    # These are our own files, so no limit on their size is needed.
    loaded = {
        name: load_artifact(path / ARTIFACT, allow=context.allowed_imports, max_bytes=None)
        for name, path in folders.items()
    }
    # A student's sparsity counts the student's weights, not those of the dense model.
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
    parity = None
    if loaded["compressed"].plan is not None:
        # Imported late, so that onnx does not delay the first epoch.
        import onnx

        from compression.runtimes.onnx_metadata import write_with_metadata

        source, compressed = folders["compressed"] / ONNX, results["compressed"]
        parity = _execute(context, loaded["compressed"], source, compressed)
        # The executed file itself records how it compares.
        compressed["bytes"]["onnx"] = write_with_metadata(
            onnx.load(source), folder / ONNX, {"parity": _summarize_parity(parity)}
        )
    timing = time_files(context, loaded, folders)
    timing["steps"] = time_steps(context, loaded["dense"].model, steps)
    torch.set_num_threads(context.machine.threads)
    return Made({**results, "parity": parity, "timing": timing})


def _execute(context: Context, artifact: Artifact, onnx_file: Path, counted: dict[str, Any]) -> dict[str, Any]:
    """Return how the ONNX file of a quantized model agrees with its simulation on the test images.

    The accuracies in ``counted`` are replaced by those of the executed file. Both run on the CPU, which has the
    integer kernels.
    """
    # Imported late, so that onnx and onnxruntime do not delay the first epoch.
    from compression.runtimes.executed_layers import read_integer_layers

    simulated = EagerRuntime().load(artifact.model, threads=context.machine.threads)
    executed = make_runtime(_EXECUTED_BY).load(onnx_file, threads=context.machine.threads)
    batches = context.data.test_batches()
    images = ((images.cpu().contiguous().numpy(), labels.cpu().numpy()) for images, labels in batches)
    parity = compare_predictions(simulated, executed=executed, batches=images)

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(executed(images.cpu().contiguous().numpy())).to(images.device)

    hits, totals = count_hits(run, context.data.test_batches(), context.data.num_classes)
    counted["accuracy_simulated"] = parity.accuracy_simulated
    counted["accuracy"] = hits.sum().item() / totals.sum().item()
    counted["accuracy_per_class"] = _per_class(artifact, hits, totals)
    return {
        "engine": _EXECUTED_BY,
        **parity.to_json(),
        **_execute_sparse(context, artifact, simulated),
        "executed_layers": read_integer_layers(onnx_file).to_json(),
        "cpu": read_cpu_features().to_json(),
    }


def _execute_sparse(context: Context, artifact: Artifact, simulated: Predictor) -> dict[str, Any]:
    """Return how the sparse engine agrees with the simulation, as ``sparse``; nothing if the run does not use it."""
    if SparseRuntime.name not in context.config.runtime.engines:
        return {}
    executed = SparseRuntime().load(artifact.model, threads=context.machine.threads)
    batches = context.data.test_batches()
    images = ((images.cpu().contiguous().numpy(), labels.cpu().numpy()) for images, labels in batches)
    return {SparseRuntime.name: compare_predictions(simulated, executed=executed, batches=images).to_json()}


def _summarize_parity(parity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parity record with counts of integer layers and the names of float layers, without a row per layer."""
    executed = parity["executed_layers"]
    in_float = [layer["name"] for layer in executed["layers"] if not layer["integer"]]
    return {**parity, "executed_layers": {"counts": executed["counts"], "in_float": in_float}}


def _per_class(artifact: Artifact, hits: Tensor, totals: Tensor) -> dict[str, float | None]:
    rows = zip(artifact.class_names, hits.tolist(), totals.tolist(), strict=True)
    return {name: hit / total if total else None for name, hit, total in rows}


def _count(context: Context, artifact: Artifact, whole: Mapping[str, int]) -> dict[str, Any]:
    model = artifact.model
    hits, totals = count_hits(model.to(context.machine.device), context.data.test_batches(), context.data.num_classes)
    model.cpu()
    return {
        "accuracy": hits.sum().item() / totals.sum().item(),
        "accuracy_per_class": _per_class(artifact, hits, totals),
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
