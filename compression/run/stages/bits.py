"""The bits stage: the cost of rounding each layer's weight alone, on held-out training images."""

import logging
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from compression.core.eval_mode import evaluating
from compression.quantization.bits.bit_sensitivity import BitTable, measure_bit_sensitivity
from compression.run.building.network_files import load_network
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stage import Finished
from compression.stage_store.finished_layers import FinishedLayers
from compression.stage_store.store import Made, StageKey, StageRecord

log = logging.getLogger(__name__)

VERSION = 1


def obtain_bit_table(context: Context, made: Finished) -> StageRecord:
    """Return the cost of few bits in each layer of the newest network. It does not depend on the budget."""
    student, parent = context.student, made.network
    settings = student.config.quantization
    inputs = {
        "weights": dict(settings.weights),
        "choices": settings.allocation.choices,
        "images": settings.allocation.images,
        "code": user_code({"weights": settings.weights}),
        "arithmetic": student.machine.identity,
    }
    key = StageKey("bits", VERSION, inputs, parents=(parent.id,))
    return student.store.obtain(key, partial(_measure, student, parent))


def _measure(context: Context, parent: StageRecord, folder: Path) -> Made:
    settings = context.config.quantization
    model = load_network(context, parent).to(context.machine.device).eval()
    images = context.data.val_subset(settings.allocation.images)
    with torch.inference_mode():
        wanted = [log_softmax(model(batch).float(), dim=1) for batch, _ in images]
    finished = FinishedLayers(folder)
    found = measure_bit_sensitivity(
        model,
        make_observer=partial(instantiate, settings.weights),
        measure=partial(_divergence, [batch for batch, _ in images], wanted),
        choices=settings.allocation.choices,
        skip=list(finished.rows),
    )
    for name, row in found:
        finished.add(name, {str(bits): loss for bits, loss in row.items()})
        log.info("bits  %s  %s", name, ", ".join(f"{bits}: {loss:.4f}" for bits, loss in row.items()))
    sizes = {name: model.get_submodule(name).get_parameter("weight").numel() for name in finished.rows}
    num_images = sum(len(labels) for _, labels in images)
    table = BitTable.from_json({"baseline": 0.0, "images": num_images, "sizes": sizes, "loss": finished.rows})
    return Made(table.to_json(), finished.earlier_seconds)


def _divergence(images: list[Tensor], wanted: list[Tensor], network: nn.Module) -> float:
    """Return the mean KL divergence from the exact network, in nats per image. It needs no labels and few images."""
    total, count = 0.0, 0
    with evaluating(network), torch.inference_mode():
        for batch, target in zip(images, wanted, strict=True):
            found = log_softmax(network(batch).float(), dim=1)
            total += float(kl_div(found, target, reduction="sum", log_target=True))
            count += len(batch)
    return total / count
