"""Load time, memory and latency of a run's files. Compared latencies are measured alternately."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from compression.artifact import Artifact, load_artifact
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT, ONNX
from compression.core.seeding import derive_seed
from compression.peak_memory import measure_peak_memory
from compression.run.context import Context
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.engines import ENGINES, choose_engines, load_ready
from compression.runtimes.measure import (
    LatencyRecord,
    compare_rounds,
    measure_alternating,
    measure_load_seconds,
)
from compression.runtimes.runtime import Predictor

# At most this many pruning steps are timed, each this many times, because a long schedule has many steps.
TIMED_STEPS, STEP_REPEATS = 8, 5


def time_files(context: Context, loaded: Mapping[str, Artifact], folders: Mapping[str, Path]) -> dict[str, Any]:
    """Return load time, peak memory and latency of the dense and the compressed file, as in ``metrics.json``.

    ``left_out`` holds the reason of each engine that is missing on this machine or refuses one of the networks. Raises
    InputError if no engine is left.
    """
    settings, threads = context.config.runtime, context.machine.threads
    timing: dict[str, Any] = {"threads": threads, "warmup": settings.warmup, "repeats": settings.repeats}
    for name, peak in _peak_memory(context, loaded, folders).items():
        load = partial(load_artifact, folders[name] / ARTIFACT, allow=context.allowed_imports, max_bytes=None)
        timing[name] = {"load_seconds": measure_load_seconds(load), "peak_memory_bytes": peak}
    engines, left_out = choose_engines(settings.engines)
    predictors, refused = _load_engines(context, engines, loaded, folders)
    timed = [engine for engine in engines if engine not in refused]
    timing["latency"] = [
        entry
        for batch_size in settings.batch_sizes
        for entry in _compare(context, timed, predictors, batch_size, loaded["dense"])
    ]
    timing["left_out"] = {**left_out, **refused}
    return timing


def _peak_memory(
    context: Context, loaded: Mapping[str, Artifact], folders: Mapping[str, Path]
) -> dict[str, int | None]:
    """Return the extra bytes of each file at its peak, or None if it is not wanted.

    Each file has its own process. Both are measured at the same time, which disturbs times but not memory.
    """
    if not context.config.runtime.peak_memory:
        return dict.fromkeys(folders)
    with ThreadPoolExecutor() as pool:
        peaks = {
            name: pool.submit(
                measure_peak_memory,
                path / ARTIFACT,
                image_size=loaded[name].image_size,
                channels=loaded[name].channels,
                batch_size=max(context.config.runtime.batch_sizes),
                threads=context.machine.threads,
                allow=context.allowed_imports,
            )
            for name, path in folders.items()
        }
        return {name: peak.result().extra_bytes for name, peak in peaks.items()}


def _load_engines(
    context: Context, engines: Sequence[str], loaded: Mapping[str, Artifact], folders: Mapping[str, Path]
) -> tuple[dict[tuple[str, str], Predictor], dict[str, str]]:
    """Return the predictors by engine and file, and the reason of each engine that refuses a network."""
    predictors: dict[tuple[str, str], Predictor] = {}
    refused: dict[str, str] = {}
    for name in ("dense", "compressed"):
        for engine in engines:
            source = folders[name] / ONNX if ENGINES[engine].reads_onnx else loaded[name].model
            try:
                predictors[engine, name] = load_ready(
                    engine,
                    source,
                    threads=context.machine.threads,
                    image_size=loaded[name].image_size,
                    channels=loaded[name].channels,
                    batch_sizes=context.config.runtime.batch_sizes,
                )
            except InputError as error:
                if not ENGINES[engine].compiles:
                    raise
                refused.setdefault(engine, f"{error} ({name} model)")
    if len(refused) == len(engines):
        raise InputError("; ".join(refused.values()))
    return {key: predict for key, predict in predictors.items() if key[0] not in refused}, refused


def _compare(
    context: Context,
    engines: Sequence[str],
    predictors: Mapping[tuple[str, str], Predictor],
    batch_size: int,
    dense_file: Artifact,
) -> list[dict[str, Any]]:
    generator = np.random.default_rng(derive_seed(context.config.seed, "latency"))
    shape = (batch_size, dense_file.channels, dense_file.image_size, dense_file.image_size)
    batch = generator.standard_normal(shape, dtype=np.float32)
    settings = context.config.runtime
    records = measure_alternating(
        {f"{engine}/{name}": predict for (engine, name), predict in predictors.items()},
        batch=batch,
        warmup=settings.warmup,
        repeats=settings.repeats,
    )
    dense = {engine: records[f"{engine}/dense"] for engine in engines}
    best = min(dense, key=lambda engine: dense[engine].latency_ms.median)
    return [
        {
            "engine": engine,
            "batch_size": batch_size,
            "dense": _summary(dense[engine]),
            "compressed": _summary(records[f"{engine}/compressed"]),
            "speedup": asdict(compare_rounds(dense[engine], other=records[f"{engine}/compressed"])),
            "best_dense_engine": best,
            "speedup_over_best_dense": asdict(compare_rounds(dense[best], other=records[f"{engine}/compressed"])),
        }
        for engine in engines
    ]


def _summary(record: LatencyRecord) -> dict[str, Any]:
    return {"latency_ms": asdict(record.latency_ms), "images_per_second": record.images_per_second}


def time_steps(context: Context, dense: nn.Module, steps: Sequence[Path]) -> dict[str, Any] | None:
    """Return latencies of pruning steps and the dense model, measured alternately; None without steps.

    The engine is eager PyTorch, because it starts fastest.
    """
    if not steps:
        return None
    settings = context.config.runtime
    models = {
        path.stem: load_artifact(path, allow=context.allowed_imports, max_bytes=None).model for path in _spaced(steps)
    }
    models["dense"] = dense
    batch_size, size = max(settings.batch_sizes), context.data.image_size
    shape = (batch_size, context.data.channels, size, size)
    generator = np.random.default_rng(derive_seed(context.config.seed, "latency"))
    records = measure_alternating(
        {name: EagerRuntime().load(model, threads=context.machine.threads) for name, model in models.items()},
        batch=generator.standard_normal(shape, dtype=np.float32),
        warmup=1,
        repeats=min(settings.repeats, STEP_REPEATS),
    )
    return {
        "engine": "eager",
        "batch_size": batch_size,
        "latency_ms": {name: asdict(record.latency_ms) for name, record in records.items()},
    }


def _spaced(steps: Sequence[Path]) -> list[Path]:
    """Return at most ``TIMED_STEPS`` of the steps, evenly spaced, the last among them."""
    last, chosen = len(steps) - 1, min(len(steps), TIMED_STEPS)
    return [steps[last - round(index * last / max(1, chosen - 1))] for index in reversed(range(chosen))]
