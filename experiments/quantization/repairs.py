"""Repairs of 4-bit weights after training: bias correction, equalization, learned rounding, bits by layer.

usage: experiments/quantization/repairs.py OUT.json KEY=VALUE...   with the overrides of a dense run of train.py
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.eval_mode import evaluating
from compression.core.seeding import make_generator
from compression.core.tracing import trace
from compression.quantization.bits.bit_allocation import allocate_bits, packed_bytes
from compression.quantization.bits.bit_sensitivity import BitTable
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.mean_squared_error import MeanSquaredError
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, Repairs, quantized
from compression.quantization.repairs.adaround import AdaRound
from compression.reporting.provenance import describe_making
from compression.run.building.network_files import load_network
from compression.run.context import Context
from compression.run.pipeline import run_stages
from compression.run.stages.bits import obtain_bit_table

CORRECTED = Repairs(bias_correction_batches=10)
ROWS: dict[str, Repairs] = {
    "none": Repairs(),
    "bias correction": CORRECTED,
    "equalization (ReLU6 kept)": Repairs(equalize="skip"),
    "equalization (ReLU6 kept), bias correction": replace(CORRECTED, equalize="skip"),
    "equalization (ReLU6 replaced), bias correction": replace(CORRECTED, equalize="replace"),
    "AdaRound": Repairs(adaround=AdaRound(iterations=500)),
    "AdaRound, bias correction": replace(CORRECTED, adaround=AdaRound(iterations=500)),
}
GRID = ((4, 8), (4, 4))


def main(out: Path, overrides: list[str]) -> None:
    """Measure, and write the rows so far after every row."""
    config, run_dir = compose_run(overrides)
    config.until = "dense"
    context, made = run_stages(config, run_dir=run_dir)
    model = load_network(context, made["dense"]).eval()
    table = BitTable.from_json(obtain_bit_table(context, made).results)
    result: dict[str, Any] = {
        "model": config.model["_target_"],
        "data_settings": {key: value for key, value in context.data.identity.items() if key != "root"},
        "training_epochs": config.training.epochs,
        "seed": config.seed,
        "test_images": len(context.data.images.test),
        "dense": accuracy(context, model),
        "made_with": describe_making(),
        "rows": [],
    }
    names = quantizable_layers(model)
    sizes = {name: table.sizes[name] for name in names}
    uniform = packed_bytes(dict.fromkeys(names, 4), sizes)
    mixed = allocate_bits(table, sizes, max_bytes=uniform)
    for weight_bits, activation_bits in GRID:
        same = dict.fromkeys(names, Bits(weight_bits, activation_bits))
        layers = {name: Bits(mixed[name], activation_bits) for name in names}
        tried = [(name, same, repairs) for name, repairs in ROWS.items()]
        tried += [("bits by layer, same bytes", layers, Repairs())]
        for name, bits, repairs in tried:
            start = time.perf_counter()
            row = {
                "bits": [weight_bits, activation_bits],
                "repair": name,
                "test": measure(context, model, bits, repairs),
            }
            row["seconds"] = time.perf_counter() - start
            result["rows"].append(row)
            print(json.dumps(row), flush=True)
            out.write_text(json.dumps(result, indent=2) + "\n")


def measure(context: Context, model: nn.Module, bits: dict[str, Bits], repairs: Repairs) -> float:
    """Return the test accuracy of the integer network, in [0, 1]."""
    plan = make_plan(model, bits, activation_bits=next(iter(bits.values())).activation)
    calibration = Calibration(MeanSquaredError, MeanSquaredError, context.config.quantization.calibration_batches)
    with torch.enable_grad():
        made = quantized(
            model,
            plan,
            calibration,
            context.data.plain_train_batches(),
            repairs=repairs,
            generator=make_generator("adaround"),
        )
    network = integer_network(trace(model), made.plan)
    network.load_state_dict(integer_state(made.network, made.plan))
    return accuracy(context, network)


def accuracy(context: Context, network: nn.Module) -> float:
    """Return the accuracy on all test images, in [0, 1]."""
    with evaluating(network):
        hits, totals = count_hits(network, context.data.test_batches(), context.data.num_classes)
    return float(hits.sum() / totals.sum())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
