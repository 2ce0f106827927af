"""Parameters and file size of a network, known before it is trained."""

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compression.artifact import save_artifact
from compression.config.schema import Config
from compression.core.counting import count_parameters
from compression.core.file_names import ARTIFACT
from compression.core.seeding import make_generator
from compression.quantization.network.integer_network import integer_state
from compression.quantization.post_training import quantized
from compression.run.building.configured_calibration import narrowing_for, one_batch_calibration
from compression.run.building.configured_plan import plan_for
from compression.run.building.network_files import build_network, describe_architecture
from compression.run.context import Context, make_context


def count_network_parameters(config: Config, *, model: Mapping[str, Any]) -> int:
    """Return the number of parameters of the dense network with the settings ``model``; raises ``InputError``."""
    context = make_context(config, Path()).with_model(model)
    return count_parameters(context.build_model(pretrained=False))


def estimate_network_bytes(config: Config, *, model: Mapping[str, Any]) -> int:
    """Return the bytes of ``model.cmp`` with the settings ``model``, quantized but not pruned, before training."""
    return estimate_bytes(make_context(config, Path()).with_model(model))


def estimate_bytes(context: Context) -> int:
    """Return the bytes of ``model.cmp`` for the untrained network, quantized as configured but not pruned.

    Grids of 8 bits span each channel's range, so trained weights cost nearly the same bytes as initial ones.
    """
    model = context.build_model(pretrained=False).eval()
    size, channels = context.data.image_size, context.data.channels
    plan = plan_for(context, model)
    images = torch.randn((8, channels, size, size), generator=make_generator("estimate"))
    batches: list[tuple[Tensor, Tensor]] = [(images, torch.zeros(8, dtype=torch.long))]
    made = quantized(model, plan, one_batch_calibration(context), batches)
    state = integer_state(made.network, made.plan, narrowing_for(context))
    network = build_network(context, state, compacted=False, plan=made.plan)
    with tempfile.TemporaryDirectory() as folder:
        return save_artifact(
            Path(folder) / ARTIFACT,
            network,
            architecture=describe_architecture(context, compacted=False),
            class_names=context.data.class_names,
            input={
                "size": size,
                "mean": [0.0] * channels,
                "std": [1.0] * channels,
                **context.data.dataset.preparation.to_json(),
            },
            plan=made.plan,
            **asdict(context.config.storage),
        )
