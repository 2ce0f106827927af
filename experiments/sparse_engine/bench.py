"""The sparse engine beside dense engines: latency by engine, threads and batch, in one alternating measurement.

    python experiments/sparse_engine/bench.py --out DIR NAME=RUN/model.cmp... [--dense RUN/dense.onnx]
        [--int8 RUN/model.onnx] [--threads 1 2] [--batches 1 64] [--repeats 30]

Every file is one network of the same architecture. Its label is NAME. ``--dense`` is the ONNX file of the dense
network, by default ``dense.onnx`` beside the first file; onnxruntime and, if installed, openvino run it. ``--int8`` is
the W8A8 file of the same network. Each engine and file takes its turn in every round. The CPU time of the process is
measured beside the wall time. Files in integers may be among them. ``DIR`` gets results.json, results.md and
speedup.png.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.artifact import Artifact, load_artifact
from compression.reporting.figures import save_figure
from compression.reporting.figures.style import AFTER, BEFORE, SMALL, TEXT, TITLE, remove_frame
from compression.reporting.provenance import describe_machine, describe_software
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.engines import make_runtime
from compression.runtimes.measure import compare_rounds, measure_alternating
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse.compiler import CACHE_VARIABLE, find_compiler, load_kernels
from compression.runtimes.sparse.cost_model import BREAK_EVEN

SEED, WARMUP = 0, 5


def measure_both_clocks(
    predictors: dict[str, Predictor], batch: np.ndarray[Any, np.dtype[np.float32]], repeats: int
) -> dict[str, dict[str, Any]]:
    """Return records of wall time by name, and the median CPU milliseconds of the process over all calls."""
    cpu: dict[str, list[float]] = {name: [] for name in predictors}

    def clocked(name: str, predict: Predictor) -> Predictor:
        def run(images: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
            start = time.process_time()
            logits = predict(images)
            cpu[name].append(1000 * (time.process_time() - start))
            return logits

        return run

    timed = {name: clocked(name, predict) for name, predict in predictors.items()}
    records = measure_alternating(timed, batch=batch, warmup=WARMUP, repeats=repeats)
    return {name: {"wall": records[name], "cpu_ms": statistics.median(cpu[name])} for name in predictors}


def describe_file(artifact: Artifact, path: Path) -> dict[str, Any]:
    """Return sparsity and MAC density against the dense network, from the run's record, and the largest error.

    For integers also the run's comparison of this engine with the simulation on all test images.

    The error is of the sparse engine against eager, relative to the largest logit, over 64 random images.
    Eager simulates integers.
    """
    metrics = json.loads((path.parent / "metrics.json").read_text())
    model, size = artifact.model, artifact.image_size
    images = np.random.default_rng(SEED).standard_normal((64, 3, size, size), dtype=np.float32)
    eager = EagerRuntime().load(model, threads=1)(images)
    sparse = make_runtime("sparse").load(model, threads=1)(images)
    assert (eager.std(axis=0) > 0).any(), "the output does not depend on the input, so no error would show"
    largest = float(np.abs(eager).max())
    found = {
        "sparsity": metrics["compressed"]["sparsity"],
        "integers": artifact.plan is not None,
        "mac_density": metrics["compressed"]["nonzero_macs"] / metrics["dense"]["macs"],
        "accuracy": metrics["compressed"]["accuracy"],
        "dense_accuracy": metrics["dense"]["accuracy"],
        "error_against_eager": float(np.abs(sparse - eager).max()) / largest,
    }
    if artifact.plan is not None:
        parity = metrics["quantization"]["parity"]["sparse"]
        found["simulation"] = {key: parity[key] for key in ("images", "agreement", "max_logit_difference")}
    else:
        with torch.inference_mode():
            exact = model.double().eval()(torch.from_numpy(images).double()).numpy()
        model.float()
        found["error_against_float64"] = float(np.abs(sparse - exact).max()) / largest
        found["error_of_eager_against_float64"] = float(np.abs(eager - exact).max()) / largest
    return found


def measure_build_seconds(artifact: Artifact) -> dict[str, float]:
    """Return the seconds of the first build of the kernels, and of opening the network when they are there."""
    from compression.runtimes.cpu_features import read_cpu_features
    from compression.runtimes.sparse.sparse_engine import choose_vector

    features, size = read_cpu_features(), artifact.image_size
    given = os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        load_kernels.cache_clear()
        build = _seconds(lambda: load_kernels(choose_vector(features), is_x86=features.is_x86))
    if given is None:
        del os.environ[CACHE_VARIABLE]
    else:
        os.environ[CACHE_VARIABLE] = given
    image = np.zeros((1, 3, size, size), dtype=np.float32)
    return {"build": build, "open": _seconds(lambda: make_runtime("sparse").load(artifact.model, threads=1)(image))}


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def load_all(files: dict[str, Artifact], dense: Path, int8: Path | None, threads: int) -> dict[str, Predictor]:
    """Return the predictors by name: dense engines first, then ``sparse, LABEL`` for each file."""
    names = ["onnxruntime", *(["openvino"] if find_spec("openvino") else [])]
    loaded = {f"{name}, dense": make_runtime(name).load(dense, threads=threads) for name in names}
    if int8 is not None:
        loaded |= {f"{name}, int8": make_runtime(name).load(int8, threads=threads) for name in names}
    sparse = make_runtime("sparse")
    return loaded | {f"sparse, {label}": sparse.load(one.model, threads=threads) for label, one in files.items()}


def measure(
    files: dict[str, Artifact], dense: Path, int8: Path | None, *, threads: int, batch_size: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """Yield a row per engine and file, with its speed-up over the fastest dense FP32 and the fastest INT8 engine."""
    size = next(iter(files.values())).image_size
    batch = np.random.default_rng(SEED).standard_normal((batch_size, 3, size, size), dtype=np.float32)
    found = measure_both_clocks(load_all(files, dense, int8, threads), batch, repeats)
    best = {
        kind: min((name for name in found if name.endswith(kind)), key=lambda n: found[n]["wall"].latency_ms.median)
        for kind in ("dense", *(["int8"] if int8 else []))
    }
    for name, record in found.items():
        engine, _, label = name.partition(", ")
        yield {
            "engine": engine,
            "file": label,
            "threads": threads,
            "batch_size": batch_size,
            "wall_ms": asdict(record["wall"].latency_ms),
            "cpu_ms": record["cpu_ms"],
            "speedup": {
                kind: {"over": other, **asdict(compare_rounds(found[other]["wall"], other=record["wall"]))}
                for kind, other in best.items()
            },
        }


def to_markdown(document: dict[str, Any]) -> str:
    """Return the tables: files, and latencies."""
    machine = document["machine"]
    lines = [f"Machine: {machine['processor']}, {machine['cores']} cores. Compiler: {document['compiler']}.", ""]
    lines += [
        "| file | accuracy | sparsity | MAC density | error against eager | build, s | open, s |",
        "|---|" + "---:|" * 6,
    ]
    for label, one in document["files"].items():
        shares = f"{100 * one['accuracy']:.2f} % | {100 * one['sparsity']:.2f} % | {one['mac_density']:.3f}"
        seconds = f"{one['seconds']['build']:.2f} | {one['seconds']['open']:.2f}"
        lines.append(f"| {label} | {shares} | {one['error_against_eager']:.1e} | {seconds} |")
    kinds = list(document["rows"][0]["speedup"])
    header = ["threads", "batch", "engine", "file", "wall, ms (p10 to p90)", "CPU, ms"]
    header += [f"over the best {kind} engine" for kind in kinds]
    lines += ["", f"| {' | '.join(header)} |", "|---:|---:|---|---|" + "---:|" * (len(header) - 4)]
    for row in document["rows"]:
        wall = row["wall_ms"]
        cells = [str(row["threads"]), str(row["batch_size"]), row["engine"], row["file"]]
        cells += [f"{wall['median']:.3f} ({wall['p10']:.3f} to {wall['p90']:.3f})", f"{row['cpu_ms']:.3f}"]
        cells += [f"{row['speedup'][kind]['median']:.2f}x" for kind in kinds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_speedup(document: dict[str, Any]) -> Figure:
    """Return a picture of speed-up over the fastest dense engine: against sparsity, and against MACs left."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    by_sparsity, by_macs = figure.subplots(1, 2, sharey=True)
    draw_lines(by_sparsity, document, lambda file: 100 * file["sparsity"], only="weights")
    by_sparsity.set_xlabel("weights pruned by number, %", fontsize=TEXT)
    by_sparsity.set_ylabel("times faster (10th to 90th percentile)", fontsize=TEXT)
    by_sparsity.set_title("Sparse engine over the fastest dense FP32 engine", fontsize=TITLE, loc="left")
    by_sparsity.legend(fontsize=SMALL, frameon=False)
    draw_lines(by_macs, document, lambda file: 100 * file["mac_density"])
    by_macs.set_xscale("log")
    by_macs.xaxis.set_major_formatter("{x:g}")
    by_macs.xaxis.set_minor_formatter("{x:g}")
    by_macs.invert_xaxis()
    by_macs.set_xlabel("MACs left, %", fontsize=TEXT)
    by_macs.set_ylim(bottom=0)
    return figure


def draw_lines(axes: Axes, document: dict[str, Any], place: Callable[[dict[str, Any]], float], only: str = "") -> None:
    """Draw a line per threads and batch over all float32 files whose label begins with ``only``."""
    remove_frame(axes)
    settings = sorted({(row["batch_size"], row["threads"]) for row in document["rows"]})
    for batch_size, threads in settings:
        rows = [
            row
            for row in document["rows"]
            if row["engine"] == "sparse"
            and row["file"].startswith(only)
            and not document["files"][row["file"]]["integers"]
            and (row["batch_size"], row["threads"]) == (batch_size, threads)
        ]
        rows.sort(key=lambda row: place(document["files"][row["file"]]))
        at = [place(document["files"][row["file"]]) for row in rows]
        ratios = [row["speedup"]["dense"] for row in rows]
        medians = [ratio["median"] for ratio in ratios]
        spread = [[one["median"] - one["p10"] for one in ratios], [one["p90"] - one["median"] for one in ratios]]
        axes.errorbar(
            at,
            medians,
            yerr=spread,
            color=AFTER if batch_size == settings[0][0] else "black",
            linestyle="-" if threads == settings[0][1] else "--",
            marker="o",
            markersize=4,
            capsize=2,
            label=f"batch {batch_size}, {threads} thread{'s' if threads > 1 else ''}",
        )
    axes.axhline(1, color=BEFORE, linewidth=1, zorder=0)


def main() -> None:
    """Measure the files of the command line and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dense", type=Path)
    parser.add_argument("--int8", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    paths = {name: Path(path) for name, _, path in (one.partition("=") for one in given.files)}
    dense = given.dense or next(iter(paths.values())).parent / "dense.onnx"
    files = {label: load_artifact(path, max_bytes=None) for label, path in paths.items()}
    document: dict[str, Any] = {
        "machine": describe_machine(),
        "software": describe_software(),
        "compiler": " ".join(find_compiler()),
        "repeats": given.repeats,
        "break_even_of_the_model": BREAK_EVEN,
        "files": {
            label: {**describe_file(one, paths[label]), "seconds": measure_build_seconds(one)}
            for label, one in files.items()
        },
        "rows": [],
    }
    for threads in given.threads:
        for batch_size in given.batches:
            document["rows"] += measure(
                files, dense, given.int8, threads=threads, batch_size=batch_size, repeats=given.repeats
            )
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (given.out / "results.md").write_text(to_markdown(document))
    save_figure(draw_speedup(document), given.out / "speedup.png")
    print(to_markdown(document), end="")


if __name__ == "__main__":
    main()
