"""How large a network's file will be, known before it is trained."""

import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor

from compression.artifact import save_artifact
from compression.core.seeding import make_generator
from compression.quantization.network.integer_network import integer_state
from compression.quantization.network.narrowing import Narrowing
from compression.quantization.post_training import Calibration, quantized
from compression.run.building.configured_plan import plan_for
from compression.run.building.network_files import build_network, describe_architecture
from compression.run.context import Context


def estimate_bytes(context: Context) -> int:
    """Return the bytes of ``model.cmp`` of the untrained network, quantized as configured and pruned of nothing.

    Grids of 8 bits are spread over each channel's range, so that trained weights cost nearly what initial ones do.
    """
    model = context.build_model(pretrained=False).eval()
    size, settings = context.dataset.image_size, context.config.quantization
    plan = plan_for(context, model)
    calibration = Calibration(
        weights=partial(instantiate, settings.weights),
        activations=partial(instantiate, settings.activations) if settings.activations else None,
        num_batches=1,
    )
    images = torch.randn((8, 3, size, size), generator=make_generator("estimate"))
    batches: list[tuple[Tensor, Tensor]] = [(images, torch.zeros(8, dtype=torch.long))]
    made = quantized(model, plan, calibration, batches)
    state = integer_state(
        made.network, made.plan, Narrowing(scale_bits=settings.scale_bits, bias_bits=settings.bias_bits)
    )
    network = build_network(context, state, compacted=False, plan=made.plan)
    with tempfile.TemporaryDirectory() as folder:
        return save_artifact(
            Path(folder) / "model.cmp",
            network,
            architecture=describe_architecture(context, compacted=False),
            class_names=context.dataset.class_names,
            input={"size": size, "mean": [0.0] * 3, "std": [1.0] * 3},
            plan=made.plan,
            **asdict(context.config.storage),
        )
