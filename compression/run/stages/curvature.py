"""The curvature stage: how much the loss minds a change of each weight, for rounding by storage cost."""

from functools import partial
from pathlib import Path

from compression.core.file_names import CURVATURE
from compression.quantization.post_training import weight_curvature
from compression.run.building.configured_calibration import equalization_for, measuring_batches
from compression.run.building.network_files import load_network, save_tensors
from compression.run.context import Context
from compression.run.stage import Finished
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 3


def needs_curvature(context: Context) -> bool:
    """Return whether weights are rounded by storage cost, on a network that does not depend on the bits.

    Statistics of batch norm that are fitted to rounded weights do. The quantize stage then measures by itself.
    """
    settings = context.config.quantization
    return context.config.quantizes and settings.rdoq_lambda > 0 and settings.batch_norm_batches == 0


def obtain_curvature(context: Context, made: Finished) -> StageRecord:
    """Return the curvature of the newest network's weights. It depends on no price and no bits.

    The images, their order and the size of a training batch are in the key of the dense network.
    """
    student, parent = context.student, made.network
    settings = student.config.quantization
    inputs = {
        "batches": settings.rdoq_batches,
        "batch_size": settings.calibration_batch_size,
        "equalize": settings.equalize,
        "arithmetic": student.machine.identity,
    }
    key = StageKey("curvature", VERSION, inputs, parents=(parent.id,))
    return student.store.obtain(key, partial(_measure, student, parent))


def _measure(context: Context, parent: StageRecord, folder: Path) -> Made:
    settings = context.config.quantization
    model = load_network(context, parent).to(context.machine.device).eval()
    found = weight_curvature(
        model, measuring_batches(context), equalize=equalization_for(context), num_batches=settings.rdoq_batches
    )
    save_tensors(found, folder / CURVATURE)
    return Made({"layers": sorted(found)})
