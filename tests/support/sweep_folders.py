"""Folders of sweeps with invented numbers."""

import csv
import io
import json
import random

from rich.console import Console

KIB = 2**10
DENSE_BYTES = 8 * 2**20


def make_metrics(
    *,
    accuracy=0.96,
    val=0.97,
    dense=0.98,
    dense_val=0.985,
    sparsity=0.5,
    num_bytes=2**20,
    dense_bytes=DENSE_BYTES,
    milliseconds=0.5,
    dense_milliseconds=1.0,
    weight_bits=8,
    seed=42,
    prune="p0",
    command=("train.py",),
    history=(),
):
    """Return the part of a ``metrics.json`` that a sweep reads."""

    def timed(value):
        return {"latency_ms": {"median": value, "p10": 0.9 * value, "p90": 1.2 * value}, "images_per_second": 1.0}

    def faster(value):
        return {"median": value, "p10": 0.9 * value, "p90": 1.1 * value}

    return {
        "schema_version": 3,
        "run": {
            "weight_bits": weight_bits,
            "activation_bits": weight_bits,
            "seed": seed,
            "threads": 1,
            "stages": {"dense": f"d{seed}", "prune": prune},
            "epochs": {"dense": 20, "prune": 5},
            "val_accuracy": {"dense": dense_val, "export": val},
        },
        "dense": {
            "accuracy": dense,
            "macs": 1000,
            "bytes": {"safetensors": dense_bytes, "artifact": dense_bytes},
        },
        "compressed": {
            "accuracy": accuracy,
            "test_images": 360,
            "sparsity": sparsity,
            "macs": 500,
            "bytes": {"artifact": num_bytes},
        },
        "pruning_history": [dict(row) for row in history],
        "quantization": {"method": "ptq"} if weight_bits < 32 else None,
        "timing": {
            "stage_seconds": {"dense": 10.0, "prune": 5.0},
            "latency": [
                {
                    "engine": engine,
                    "batch_size": size,
                    "dense": timed(slower * dense_milliseconds * size**0.5),
                    "compressed": timed((0.1 if imitated else slower) * milliseconds * size**0.5),
                    "speedup": faster(dense_milliseconds / milliseconds),
                    "best_dense_engine": "onnxruntime",
                    "speedup_over_best_dense": faster(dense_milliseconds / milliseconds / slower),
                }
                for size in (1, 64)
                # The simulation is the fastest here, so that a test fails if its latency is used.
                for engine, slower in (("eager", 5.0), ("onnxruntime", 1.0), ("openvino", 1.5))
                for imitated in [engine == "eager" and weight_bits < 32]
            ],
        },
        "provenance": {"command": list(command)},
    }


class Folder:
    """A sweep folder that is written job by job."""

    def __init__(self, path, axes=None):
        self.path = path
        self.plan = {"schema_version": 1, "command": ["train.py", "-m"], "axes": axes or {}, "jobs": []}
        path.mkdir(parents=True, exist_ok=True)

    def add(
        self, name, axes=None, *, kind="grid", status="finished", reason=None, metrics=None, overrides=None, kept=False
    ):
        """Add a job to the plan and write its folder; with ``status`` None it has no folder."""
        axes = axes or {}
        overrides = overrides or [f"{key}={value}" for key, value in axes.items()]
        self.plan["jobs"].append({"name": name, "overrides": overrides, "axes": axes, "kind": kind, "kept": kept})
        (self.path / "sweep.json").write_text(json.dumps(self.plan))
        if status is None:
            return
        record = {"schema_version": 1, "name": name, "status": status, "reason": reason, "seconds": 12.5}
        self.write(name, "job.json", json.dumps(record))
        if metrics is not None:
            self.write(name, "metrics.json", json.dumps(metrics))

    def write(self, job, name, text):
        (self.path / job).mkdir(exist_ok=True)
        (self.path / job / name).write_text(text)


def add_smaller(folder, metrics, name, val, ratio, *, kind="grid", axes=None, **more):
    """Add a job to ``folder`` whose file is ``ratio`` times smaller than the dense file."""
    made = metrics(val=val, dense_val=1.0, num_bytes=int(DENSE_BYTES / ratio), **more)
    folder.add(name, {"sparsity": name} if axes is None else axes, kind=kind, metrics=made)


def add_point(folder, metrics, sparsity, bits, *, drop, kib, milliseconds=0.5, **more):
    """Add a job to ``folder`` that lost ``drop`` points of accuracy and has a file of ``kib`` KiB."""
    name = f"s{100 * sparsity:g}_w{bits}" + str(more.get("kind", ""))
    made = metrics(
        val=0.98 - drop / 100, dense_val=0.98, num_bytes=kib * KIB, milliseconds=milliseconds, sparsity=sparsity
    )
    folder.add(name, {"sparsity": sparsity, "weight_bits": bits}, metrics=made, **more)


def make_history(seed, sparsity, steps, end):
    draw = random.Random(seed)
    return [
        {
            "step": step,
            "update": 10 * step,
            "sparsity": sparsity * (1 - (1 - step / steps) ** 3),
            "accuracy_before": 0.5,
            "accuracy_after": 0.985 + (end - 0.985) * (step / steps) ** 4 + 0.004 * draw.random(),
            "bytes": 1000,
        }
        for step in range(1, steps + 1)
    ]


def make_grid(path, *, sparsities, bits, strategies=("gmp",), seeds=(42,), baselines=True):
    """Write a realistic sweep: accuracy falls only at high sparsity, and bytes fall with sparsity and bits."""
    axes = {"sparsity": list(sparsities), "weight_bits": list(bits)}
    if len(strategies) > 1:
        axes["strategy"] = list(strategies)
    if len(seeds) > 1:
        axes["seed"] = list(seeds)
    folder = Folder(path, axes)
    for seed in seeds:
        for number, strategy in enumerate(strategies):
            for sparsity in sparsities:
                for bit in bits:
                    draw = random.Random(repr((seed, strategy, sparsity, bit)))
                    end = max(0.1, 0.985 - 0.25 * sparsity**8 - 0.002 * number - 0.12 / bit**2)
                    val = round(end + 0.006 * (draw.random() - 0.5), 4)
                    num_bytes = int(DENSE_BYTES * ((1 - sparsity) * bit / 32 + 0.01) * (1 + 0.05 * draw.random()))
                    values = {"sparsity": sparsity, "weight_bits": bit}
                    values |= {"strategy": strategy} if len(strategies) > 1 else {}
                    values |= {"seed": seed} if len(seeds) > 1 else {}
                    pruned = f"{seed}-{strategy}-{sparsity}"
                    common = {"sparsity": sparsity, "weight_bits": bit, "seed": seed, "num_bytes": num_bytes}
                    history = make_history(pruned, sparsity, 5, end)
                    speed = 0.3 + 0.2 * draw.random() + 0.02 * bit
                    metrics = make_metrics(
                        val=val, accuracy=val - 0.008, prune=pruned, history=history, milliseconds=speed, **common
                    )
                    name = f"{strategy}-s{100 * sparsity:g}_w{bit}-{seed}"
                    folder.plan["jobs"].append(
                        {"name": name, "overrides": [f"{k}={v}" for k, v in values.items()], "axes": values}
                        | {"kind": "grid"}
                    )
                    folder.write(name, "metrics.json", json.dumps(metrics))
                    folder.write(name, "job.json", json.dumps({"schema_version": 1, "status": "finished"}))
                if baselines:
                    values = {"sparsity": sparsity, "weight_bits": 8} | ({"seed": seed} if len(seeds) > 1 else {})
                    low = max(0.1, 0.98 - 0.8 * sparsity**4)
                    size = int(DENSE_BYTES * ((1 - sparsity) / 4 + 0.02))
                    random_ = make_metrics(val=low, accuracy=low - 0.01, sparsity=sparsity, num_bytes=size, seed=seed)
                    small = make_metrics(
                        val=0.97 - 0.1 * sparsity**3,
                        accuracy=0.96 - 0.1 * sparsity**3,
                        sparsity=0.0,
                        num_bytes=size,
                        seed=seed,
                        dense_bytes=4 * size,
                        dense_val=0.97,
                        milliseconds=0.25,
                    )
                    for kind, metrics in (("random", random_), ("small_dense", small)):
                        name = f"{kind}-{strategy}-s{100 * sparsity:g}-{seed}"
                        own = values | ({"strategy": strategy} if len(strategies) > 1 else {})
                        folder.plan["jobs"].append({"name": name, "overrides": [], "axes": own, "kind": kind})
                        folder.write(name, "metrics.json", json.dumps(metrics))
    (path / "sweep.json").write_text(json.dumps(folder.plan))
    return folder


def render_result(result, width=110):
    """Return what a terminal of this width shows of a sweep's result."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(result.to_rich())
    return stream.getvalue()


def read_rows(folder):
    """Return the rows of ``results.csv`` without those of dense models."""
    with (folder / "results.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["kind"] != "dense"]
