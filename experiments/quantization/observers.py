"""Accuracy of post-training quantization by bits and observer.

Each observer uses its best setting by held-out training images.

usage: experiments/quantization/observers.py OUT.json KEY=VALUE...   with the overrides of a dense run of train.py
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.entropy import Entropy
from compression.quantization.observers.mean_squared_error import MeanSquaredError
from compression.quantization.observers.min_max import MinMax
from compression.quantization.observers.moving_average import MovingAverage
from compression.quantization.observers.percentile import Percentile
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.reporting.provenance import describe_making
from compression.run.building.network_files import load_network
from compression.run.checks.check_run import check_run
from compression.run.context import Context, make_context
from compression.run.stage import Finished
from compression.run.stages.dense import obtain_dense

GRID = ((8, 8), (8, 6), (6, 8), (6, 6), (4, 8), (4, 4))
WEIGHTS = {"min_max": MinMax, "mse": MeanSquaredError}
# The settings tried for each observer of activations.
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "min_max": {"": MinMax},
    "moving_average": {"": MovingAverage},
    "percentile": {f"percentile={one:g}": partial(Percentile, percentile=one) for one in (99.9, 99.99)},
    "mse": {"": MeanSquaredError},
    "entropy": {"": Entropy},
}
VAL_IMAGES = 1000


def main(out: Path, overrides: list[str]) -> None:
    """Measure, and write the rows so far after every pair of bit widths."""
    config, run_dir = compose_run(overrides)
    context = make_context(config, run_dir)
    check_run(context)
    record = obtain_dense(context, Finished())
    model = load_network(context, record).eval()
    result: dict[str, Any] = {
        "model": config.model["_target_"],
        "data_settings": {key: value for key, value in context.data.identity.items() if key != "root"},
        "training_epochs": config.training.epochs,
        "seed": config.seed,
        "calibration_batches": config.quantization.calibration_batches,
        "val_images": min(len(context.data.images.val), VAL_IMAGES),
        "test_images": len(context.data.images.test),
        "dense": {"val": accuracy(context, model, "val"), "test": accuracy(context, model, "test")},
        "made_with": describe_making(),
        "rows": [],
    }
    for weight_bits, activation_bits in GRID:
        for observer in ACTIVATIONS:
            row = measure(context, model, Bits(weight_bits, activation_bits), observer)
            result["rows"].append(row)
            print(json.dumps(row), flush=True)
        out.write_text(json.dumps(result, indent=2) + "\n")


def measure(context: Context, model: nn.Module, bits: Bits, observer: str) -> dict[str, Any]:
    """Return the row of one observer: its best setting by held-out images, and the test accuracy of that setting.

    Weights use least squared error. The plain min-max row uses min-max for weights and activations.
    """
    weights = "min_max" if observer == "min_max" else "mse"
    networks = {
        setting: quantize(context, model, bits, weights, observer, setting) for setting in ACTIVATIONS[observer]
    }
    found = {setting: accuracy(context, network, "val") for setting, network in networks.items()}
    best = max(found, key=lambda setting: found[setting])
    return {
        "weight_bits": bits.weight,
        "activation_bits": bits.activation,
        "observer": observer,
        "weights": weights,
        "setting": best,
        "val": found[best],
        "test": accuracy(context, networks[best], "test"),
    }


def quantize(context: Context, model: nn.Module, bits: Bits, weights: str, observer: str, setting: str) -> nn.Module:
    """Return the integer network."""
    plan = make_plan(model, dict.fromkeys(quantizable_layers(model), bits), activation_bits=bits.activation)
    calibration = Calibration(
        WEIGHTS[weights], ACTIVATIONS[observer][setting], context.config.quantization.calibration_batches
    )
    made = quantized(model, plan, calibration, context.data.plain_train_batches())
    network = integer_network(trace(model), plan)
    network.load_state_dict(integer_state(made.network, plan))
    return network


def accuracy(context: Context, network: nn.Module, part: str) -> float:
    """Return the accuracy, in [0, 1]: ``part`` "val" uses held-out training images, "test" all test images."""
    batches = context.data.val_subset(VAL_IMAGES) if part == "val" else context.data.test_batches()
    with evaluating(network):
        hits, totals = count_hits(network, batches, context.data.num_classes)
    return float(hits.sum() / totals.sum())


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main(Path(sys.argv[1]), sys.argv[2:])
