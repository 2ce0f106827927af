"""Post-training quantization: from a trained network to one that rounds, with training images but no training."""

from dataclasses import dataclass

from torch import fx, nn

from compression.quantization import graph as ops
from compression.quantization.calibration import (
    Batches,
    MakeObserver,
    calibrate_,
    observe_weights_,
    refit_batch_norm_,
)
from compression.quantization.fold import fold_batch_norms_
from compression.quantization.network import prepare
from compression.quantization.plan import Plan


@dataclass(frozen=True)
class Calibration:
    """What finds scales: observers of weights and of activations, and on how many batches; 0 leaves a step out."""

    weights: MakeObserver
    activations: MakeObserver | None
    num_batches: int
    batch_norm_batches: int = 0


def calibrated(model: nn.Module, plan: Plan, settings: Calibration, batches: Batches, *, fold: bool) -> fx.GraphModule:
    """Return ``model`` as a network that rounds as ``plan`` says, with the scales that were observed.

    ``batches`` are training images. With ``fold`` batch norm is folded first, as an engine has it; training wants it
    left. ``model`` is left as it is. Raises ``InputError``.
    """
    graph = ops.trace(model)
    if settings.batch_norm_batches:
        refit_batch_norm_(graph, plan, settings.weights, batches, num_batches=settings.batch_norm_batches)
    if fold:
        fold_batch_norms_(graph)
    prepared = prepare(graph, plan)
    observe_weights_(prepared, settings.weights)
    if plan.activations:
        assert settings.activations is not None, "no observer of activations"
        calibrate_(prepared, settings.activations, batches, num_batches=settings.num_batches)
    return prepared
