"""INT8 against the best dense FP32 engine, alternating in one run: MobileNetV2 and ResNet-18, CIFAR stem.

usage: experiments/quantization/speed.py OUT.json [THREADS] [ROUNDS]

Trained weights do not change the speed, so weights are He-initialized and calibration uses noise.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from compression.core.tracing import trace
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.reporting.provenance import describe_making
from compression.runtimes.cpu_features import read_cpu_features
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.executed_layers import read_integer_layers
from compression.runtimes.measure import compare_rounds, measure_alternating
from compression.runtimes.onnx_export import export_onnx
from compression.runtimes.onnxruntime import OnnxRuntime
from compression.runtimes.openvino import OpenVinoRuntime
from compression.runtimes.runtime import Predictor

MODELS: dict[str, Callable[..., nn.Module]] = {"mobilenet_v2": mobilenet_v2, "resnet18": resnet18}
SIZE = 32


def main(out: Path, threads: int, rounds: int) -> None:
    """Measure, and write the latency of every engine and its speed-up over the best dense engine."""
    found: dict[str, Any] = {
        "threads": threads,
        "rounds": rounds,
        "cpu": read_cpu_features().to_json(),
        "made_with": describe_making(),
        "models": {},
    }
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model = make(num_classes=10, stem="cifar").eval()
        with tempfile.TemporaryDirectory() as folder:
            found["models"][name] = measure(model, Path(folder), threads, rounds)
    out.write_text(json.dumps(found, indent=2) + "\n")


def measure(model: nn.Module, folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Return the latencies of one model, in ms, by batch size."""
    networks = {"fp32": model, "int8": quantize(model), "int8_dynamic": quantize(model, dynamic=True)}
    for form, network in networks.items():
        spec: dict[str, Any] = {"class_names": [str(one) for one in range(10)], "mean": [0.0] * 3, "std": [1.0] * 3}
        export_onnx(network, folder / f"{form}.onnx", image_size=SIZE, **spec)
    engines: dict[str, Predictor] = {"eager fp32": EagerRuntime().load(model, threads=threads)}
    for form in networks:
        engines[f"onnxruntime {form}"] = OnnxRuntime().load(folder / f"{form}.onnx", threads=threads)
    for form in ("fp32", "int8"):
        engines[f"openvino {form}"] = OpenVinoRuntime().load(folder / f"{form}.onnx", threads=threads)
    layers = read_integer_layers(folder / "int8.onnx").to_json()["counts"]
    batches = {str(size): compare(engines, size, rounds) for size in (1, 64)}
    return {"int8_layers": layers, "batches": batches}


def compare(engines: dict[str, Predictor], batch_size: int, rounds: int) -> dict[str, Any]:
    """Return the latency of every engine in ms, and its speed-up over the best dense engine."""
    images = np.random.default_rng(0).standard_normal((batch_size, 3, SIZE, SIZE), dtype=np.float32)
    records = measure_alternating(engines, batch=images, warmup=5, repeats=rounds)
    dense = {name: record for name, record in records.items() if name.endswith("fp32")}
    best = min(dense, key=lambda name: dense[name].latency_ms.median)
    return {
        "best_dense": best,
        "engines": {
            name: {
                "latency_ms": asdict(record.latency_ms),
                "speedup_over_best_dense": asdict(compare_rounds(dense[best], other=record)),
            }
            for name, record in records.items()
        },
    }


def quantize(model: nn.Module, *, dynamic: bool = False) -> nn.Module:
    """Return the model with weights and activations in 8 bits."""
    plan = make_plan(model, dict.fromkeys(quantizable_layers(model), Bits(8, 8)), activation_bits=8, dynamic=dynamic)
    batches = [(torch.randn(64, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)), torch.zeros(64))]
    made = quantized(model, plan, Calibration(MinMax, MinMax, 1), batches)
    network = integer_network(trace(model), plan)
    network.load_state_dict(integer_state(made.network, plan))
    return network.eval()


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    main(Path(sys.argv[1]), int(arguments.get(2, 2)), int(arguments.get(3, 50)))
