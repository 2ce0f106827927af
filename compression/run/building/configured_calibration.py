"""The calibration of a quantized network and the narrowing of its scales and biases, from the configuration."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from hydra.utils import instantiate
from torch import Tensor

from compression.quantization.network.narrowing import Narrowing
from compression.quantization.post_training import Calibration
from compression.run.context import Context


def calibration_for(context: Context) -> Calibration:
    """Return the configured calibration."""
    settings = context.config.quantization
    return replace(
        one_batch_calibration(context),
        num_batches=settings.calibration_batches,
        batch_norm_batches=settings.batch_norm_batches,
        norm_batches=context.data.train_batches(),
    )


def one_batch_calibration(context: Context) -> Calibration:
    """Return a calibration with the configured observers, on one batch; batch norm keeps its statistics."""
    settings = context.config.quantization
    return Calibration(
        weights=partial(instantiate, settings.weights),
        activations=partial(instantiate, settings.activations) if settings.activations else None,
        num_batches=1,
    )


def measuring_batches(context: Context) -> Iterable[tuple[Tensor, Tensor]]:
    """Return the training images that are measured, without augmentation: (images ``[B, C, H, W]``, labels ``[B]``)."""
    return context.data.plain_train_batches(batch_size=context.config.quantization.calibration_batch_size)


def equalization_for(context: Context) -> str | None:
    """Return how ranges are equalized, as ``Repairs`` takes it; None for not at all."""
    chosen = context.config.quantization.equalize
    return None if chosen == "none" else chosen


def narrowing_for(context: Context) -> Narrowing:
    """Return how many significant bits weight scales and biases keep."""
    settings = context.config.quantization
    return Narrowing(scale_bits=settings.scale_bits, bias_bits=settings.bias_bits)
