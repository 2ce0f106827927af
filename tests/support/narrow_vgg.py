"""VGG-11, pruned and compacted to a few channels per layer: a small network of a built-in family, for small files."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.core.tracing import trace
from compression.core.widths import fit_widths_
from compression.models.vgg11 import vgg11
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits, Plan
from compression.quantization.post_training import Calibration, Repairs, quantized

NUM_CLASSES = 3
SIZE = 16
ABOUT: dict[str, Any] = {
    "architecture": {
        "target": "compression.models.vgg11.vgg11",
        "kwargs": {},
        "num_classes": NUM_CLASSES,
        "compacted": True,
    },
    "class_names": ["cat", "dog", "emu"],
    "input": {"size": SIZE, "mean": [0.5, 0.4, 0.3], "std": [0.25, 0.2, 0.3]},
    "info": {"strategy": "oneshot_l1", "sparsity": 0.5, "dense_bytes": 36_930_000},
}


def make_narrow_vgg(*, width: int = 4, seed: int = 0) -> nn.Module:
    """Return the network in evaluation mode, half of its weights zero; the global random state does not change."""
    with torch.device("meta"):
        model = vgg11(num_classes=NUM_CLASSES)
    shapes = {}
    for name, value in model.state_dict().items():
        shape = [min(size, width) for size in value.shape[:2]] + list(value.shape[2:])
        shapes[name] = [NUM_CLASSES, width] if name == "classifier.weight" else shape
    shapes["features.0.weight"] = [width, 3, 3, 3]
    fit_widths_(model, shapes).to_empty(device="cpu")
    generator = make_generator("narrow", seed)
    weights = prunable_weights(model)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name in weights:
                value.copy_(torch.randn(value.shape, generator=generator) / 3)
                value.mul_(torch.rand(value.shape, generator=generator) > 0.5)
            elif value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            else:
                value.fill_(7)
    return model.eval()


def make_images(num_images: int = 2) -> Tensor:
    """Return images ``[num_images, 3, 16, 16]`` from a formula, so that they are the same in every library version."""
    count = torch.arange(num_images * 3 * SIZE * SIZE, dtype=torch.float64)
    return (count * 0.7548776662466927 % 2 - 1).float().reshape(num_images, 3, SIZE, SIZE)


def make_integers(model: nn.Module, *, weight_bits: int = 6, rdoq_lambda: float = 0.0) -> tuple[fx.GraphModule, Plan]:
    """Return ``model`` in integers, with its plan: 4-bit weights in two layers, else ``weight_bits``; 8-bit inputs.

    With ``rdoq_lambda`` above 0, weights, scales and biases are rounded by storage cost.
    """
    bits = {name: Bits(weight_bits, 8) for name in quantizable_layers(model)}
    bits |= dict.fromkeys(list(bits)[2:4], Bits(4, 8))
    plan = make_plan(model, bits, activation_bits=8)
    batches = [(make_images(4), torch.zeros(4, dtype=torch.int64))]
    repairs = Repairs(rdoq_lambda=rdoq_lambda)
    rounded = quantized(model, plan, Calibration(MinMax, MinMax, num_batches=1), batches, repairs=repairs)
    found = integer_network(trace(model), rounded.plan)
    found.load_state_dict(integer_state(rounded.network, rounded.plan))
    return found.eval(), rounded.plan
