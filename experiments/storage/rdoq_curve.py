"""Accuracy against order-0 bytes as the price of a bit rises: quantization.rdoq_lambda on a finished network.

usage: experiments/storage/rdoq_curve.py OUT.json STAGE_FOLDER PRICES BITS KEY=VALUE...

STAGE_FOLDER is a dense or prune stage of the store, PRICES are numbers with commas, BITS are WEIGHT/ACTIVATION with
commas, and the rest are overrides of train.py (model, data, seed). `one_shot=0.5` zeroes half of all weights first,
the least, without training. `part=val` measures on held-out training images, for tuning.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from compression.config.compose import compose_run
from compression.core.accuracy import count_hits
from compression.core.evaluating import evaluating
from compression.core.selection import prunable_weights
from compression.pipeline import make_context
from compression.quantization.code_length import code_bits
from compression.quantization.graph import trace
from compression.quantization.integer_network import integer_network, integer_state
from compression.quantization.network import make_plan, quantizable_layers
from compression.quantization.observers.mean_squared_error import MeanSquaredError
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, Repairs, quantized
from compression.stages.context import Context
from compression.stages.network_files import WEIGHTS


def main(out: Path, stage: Path, prices: list[float], grids: list[tuple[int, int]], options: list[str]) -> None:
    """Measure, and write what is known after every row."""
    own = dict(option.split("=", 1) for option in options if option.startswith(("one_shot=", "part=")))
    config, run_dir = compose_run([one for one in options if one.split("=", 1)[0] not in own])
    context = make_context(config, run_dir)
    model = context.build_model(pretrained=False).eval()
    model.load_state_dict(load_file(stage / WEIGHTS))
    if "one_shot" in own:
        prune_once_(model, float(own["one_shot"]))
    part = own.get("part", "test")
    weights = prunable_weights(model).values()
    result: dict[str, Any] = {
        "model": config.model["_target_"],
        "stage": stage.name,
        "one_shot": own.get("one_shot"),
        "images": part,
        "weights": sum(weight.numel() for weight in weights),
        "zeros": sum(int((weight == 0).sum()) for weight in weights),
        "accuracy": accuracy(context, model, part),
        "rows": [],
    }
    print(json.dumps({key: value for key, value in result.items() if key != "rows"}), flush=True)
    for grid in grids:
        for price in prices:
            row = measure(context, model, Bits(*grid), price, part)
            result["rows"].append(row)
            out.write_text(json.dumps(result, indent=1) + "\n")
            print(json.dumps(row), flush=True)


def measure(context: Context, model: nn.Module, bits: Bits, price: float, part: str) -> dict[str, Any]:
    """Return order-0 bytes and accuracy of ``model`` in integers, where a bit costs ``price``."""
    plan = make_plan(model, dict.fromkeys(quantizable_layers(model), bits), activation_bits=bits.activation)
    settings = Calibration(weights=MeanSquaredError, activations=MeanSquaredError, num_batches=10)
    begun = time.perf_counter()
    made = quantized(model, plan, settings, context.plain_train_batches(), repairs=Repairs(rdoq_lambda=price))
    seconds = time.perf_counter() - begun
    state = integer_state(made.network, made.plan)
    network = integer_network(trace(model), made.plan)
    network.load_state_dict(state)
    integers = [state[f"{name}.weight"] for name in plan.layers]
    size = sum(map(code_bits, integers))
    return {
        "weight_bits": bits.weight,
        "activation_bits": bits.activation,
        "lambda": price,
        "bytes": round(size / 8),
        "bits_per_weight": round(size / sum(weight.numel() for weight in integers), 4),
        "zeros": sum(int((weight == 0).sum()) for weight in integers),
        "accuracy": accuracy(context, network, part),
        "seconds": round(seconds, 1),
    }


def accuracy(context: Context, model: nn.Module, part: str) -> float:
    """Return the accuracy on the test images, or on those held out of training."""
    batches = context.val_batches() if part == "val" else context.test_batches()
    with evaluating(model), torch.inference_mode():
        hits, totals = count_hits(model, batches, context.num_classes)
    return round(float(hits.sum() / totals.sum()), 4)


@torch.no_grad()
def prune_once_(model: nn.Module, sparsity: float) -> None:
    """Set the least of all weights to 0, of all layers together."""
    weights = prunable_weights(model).values()
    everything = torch.cat([weight.abs().flatten() for weight in weights])
    least = everything.kthvalue(max(1, round(sparsity * len(everything)))).values
    for weight in weights:
        weight[weight.abs() <= least] = 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    grids = [tuple(map(int, grid.split("/"))) for grid in sys.argv[4].split(",")]
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        [float(price) for price in sys.argv[3].split(",")],
        [(grid[0], grid[1]) for grid in grids],
        sys.argv[5:],
    )
