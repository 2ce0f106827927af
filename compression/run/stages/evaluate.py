"""The evaluate stage: the dense and the compressed file, tested once and timed alternately."""

import gzip
import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compression.artifact import Artifact, load_artifact
from compression.config.rules import result_settings
from compression.core.accuracy import collect_logits, count_hits_of
from compression.core.counting import (
    count_layer_weights,
    count_macs,
    count_nonzero_macs,
    count_nonzero_parameters,
    count_parameters,
    layer_sparsity,
    model_sparsity,
)
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT, ONNX, PREDICTIONS, STEPS, WEIGHTS
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import Context
from compression.run.report.models_as_run import EXECUTED_BY, Model, on_cpu, open_models
from compression.run.report.predictions_file import write_predictions
from compression.run.report.timing import time_files, time_steps
from compression.run.stage import Finished
from compression.runtimes.cpu_features import ISA_LIMIT, read_cpu_features
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.engines import SPARSE, choose_engines, load_ready
from compression.runtimes.parity import compare_logits
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 7


def obtain_evaluated(context: Context, made: Finished) -> StageRecord:
    """Return test accuracy, counts, bytes and timings of the dense and the compressed files, and of pruning steps.

    Their logits on test and held-out images stay in the stage's folder, for ``analyze``.
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
    if os.environ.get(ISA_LIMIT):
        # Engines are then slower than on this machine otherwise.
        inputs["cpu"] = read_cpu_features().to_json()
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
    logits, labels = _predict(context, loaded, folders["compressed"] / ONNX, folder)
    results = {name: _count(artifact, whole[name], logits[name], labels) for name, artifact in loaded.items()}
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
        parity = _compare_with_simulation(context, source, logits, labels)
        compressed["accuracy_simulated"] = parity["accuracy_simulated"]
        # The executed file itself records how it compares.
        compressed["bytes"]["onnx"] = write_with_metadata(
            onnx.load(source), folder / ONNX, {"parity": _summarize_parity(parity)}
        )
    timing = time_files(context, loaded, folders)
    timing["steps"] = time_steps(context, loaded["dense"].model, steps)
    torch.set_num_threads(context.machine.threads)
    return Made({**results, "parity": parity, "timing": timing})


def _predict(
    context: Context, loaded: Mapping[str, Artifact], onnx_file: Path, folder: Path
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the logits [N, C] of all models on the test images, by name, and the labels [N], in one pass.

    Models: dense, compressed, and beside a quantized file its simulation (``simulated``) and the sparse engine if the
    run uses it. The logits of both files stay in ``folder``, also those on the held-out training images.
    """
    both = open_models(context, loaded, onnx_file)
    models = {**both, **_open_others(context, loaded["compressed"])}
    logits, labels = collect_logits(models, context.data.test_batches())
    held_out = collect_logits(both, context.data.val_batches())
    write_predictions(folder / PREDICTIONS, test=(logits, labels), held_out=held_out)
    for artifact in loaded.values():
        artifact.model.cpu()
    return logits, labels


def _open_others(context: Context, artifact: Artifact) -> dict[str, Model]:
    """Return the other ways to run a quantized file, all on the CPU; the sparse engine only if it can."""
    if artifact.plan is None:
        return {}
    threads = context.machine.threads
    predictors = {"simulated": EagerRuntime().load(artifact.model, threads=threads)}
    engines, _ = choose_engines(context.config.runtime.engines)
    # The timing of engines reports why it refuses a network.
    with suppress(InputError):
        if SPARSE in engines:
            predictors[SPARSE] = load_ready(
                SPARSE,
                artifact.model,
                threads=threads,
                image_size=artifact.image_size,
                channels=artifact.channels,
                batch_sizes=(1,),
            )
    return {name: on_cpu(predict) for name, predict in predictors.items()}


def _compare_with_simulation(
    context: Context, onnx_file: Path, logits: Mapping[str, Tensor], labels: Tensor
) -> dict[str, Any]:
    """Return how the executed ONNX file of a quantized model agrees with its simulation on the test images."""
    # Imported late, so that onnx and onnxruntime do not delay the first epoch.
    from compression.runtimes.executed_layers import read_integer_layers
    from compression.runtimes.onnxruntime import make_options

    def compare(name: str) -> dict[str, Any]:
        parts = (one.split(context.data.batch_size) for one in (logits["simulated"], logits[name], labels))
        arrays = ((wanted.numpy(), given.numpy(), right.numpy()) for wanted, given, right in zip(*parts, strict=True))
        return compare_logits(arrays).to_json()

    return {
        "engine": EXECUTED_BY,
        **compare("compressed"),
        **({SPARSE: compare(SPARSE)} if SPARSE in logits else {}),
        "executed_layers": read_integer_layers(onnx_file).to_json(),
        "cpu": read_cpu_features().to_json(),
        "graph_optimization": make_options(threads=1).graph_optimization_level.name,
    }


def _summarize_parity(parity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parity record with counts of integer layers and the names of float layers, without a row per layer."""
    executed = parity["executed_layers"]
    in_float = [layer["name"] for layer in executed["layers"] if not layer["integer"]]
    return {**parity, "executed_layers": {"counts": executed["counts"], "in_float": in_float}}


def _per_class(artifact: Artifact, hits: Tensor, totals: Tensor) -> dict[str, float | None]:
    rows = zip(artifact.class_names, hits.tolist(), totals.tolist(), strict=True)
    return {name: hit / total if total else None for name, hit, total in rows}


def _count(artifact: Artifact, whole: Mapping[str, int], logits: Tensor, labels: Tensor) -> dict[str, Any]:
    model = artifact.model
    hits, totals = count_hits_of(logits, labels, len(artifact.class_names))
    return {
        "accuracy": hits.sum().item() / totals.sum().item(),
        "accuracy_per_class": _per_class(artifact, hits, totals),
        "test_images": int(totals.sum()),
        "sparsity": model_sparsity(model, whole),
        "layer_sparsity": layer_sparsity(model, whole),
        "parameters": count_parameters(model),
        "nonzero_parameters": count_nonzero_parameters(model),
        "macs": count_macs(model, artifact.image_size, channels=artifact.channels),
        "nonzero_macs": count_nonzero_macs(model, artifact.image_size, channels=artifact.channels),
    }


def _gzip_bytes(model: nn.Module) -> int:
    plain = io.BytesIO()
    torch.save(model.state_dict(), plain)
    return len(gzip.compress(plain.getvalue(), mtime=0))
