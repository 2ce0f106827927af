"""Calibration: scales of weights from their values, and scales of activations from training images."""

from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor, fx

from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network.fake_network import fake_layers, prepare, quantizers
from compression.quantization.observers import Observer
from compression.quantization.plan import Plan

Batches = Iterable[tuple[Tensor, Tensor]]
# An observer has state, so every weight and every activation gets a new one.
MakeObserver = Callable[[], Observer]


def observe_weights_(prepared: fx.GraphModule, make_observer: MakeObserver) -> None:
    """Set the scales of all rounded weights, one scale per output channel."""
    for name, layer in fake_layers(prepared).items():
        layer.observe_weight(make_observer(), name=name)


@torch.no_grad()
def calibrate_(prepared: fx.GraphModule, make_observer: MakeObserver, batches: Batches, *, num_batches: int) -> None:
    """Set the scales of all activations from the first ``num_batches`` of ``batches``, with rounded weights.

    Batches are (images ``[B, C, H, W]``, labels); they are read one at a time and not kept. Raises ``InputError`` if
    there is no image, or if an activation becomes NaN or infinite.
    """
    activations = quantizers(prepared)
    for quantizer in activations.values():
        quantizer.observer = make_observer()
    seen = 0
    with evaluating(prepared):
        for images, _ in islice(batches, num_batches):
            prepared(images)
            seen += len(images)
    if activations and not seen:
        raise InputError(
            f"calibration: quantization.calibration_batches={num_batches} gave no image; must be 1 or more"
        )
    for quantizer in activations.values():
        quantizer.finish()


def refit_batch_norm_(
    graph: fx.GraphModule, plan: Plan, make_observer: MakeObserver, batches: Batches, *, num_batches: int
) -> None:
    """Re-estimate the batch-norm statistics of a traced network while its weights are rounded as ``plan`` says.

    The weights of ``graph`` itself stay in floating point.
    """
    rounded = prepare(graph, Plan(plan.layers))
    observe_weights_(rounded, make_observer)
    reestimate_batch_norm_(rounded, batches, num_batches)
    statistics = dict(rounded.named_buffers())
    for name, buffer in graph.named_buffers():
        buffer.copy_(statistics[name])
