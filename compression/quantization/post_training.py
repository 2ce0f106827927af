"""Post-training quantization: turns a trained network into one that rounds, with training images but no training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.calibration import (
    Batches,
    MakeObserver,
    calibrate_,
    observe_weights_,
    refit_batch_norm_,
)
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.fake_network import prepare
from compression.quantization.plan import Plan
from compression.quantization.rate.fisher import measure_curvature
from compression.quantization.rate.rate_aware import CodeBits, round_by_rate_, take_layers_
from compression.quantization.repairs.adaround import AdaRound, RoundingErrors, learn_rounding_
from compression.quantization.repairs.bias_correction import correct_biases_
from compression.quantization.repairs.equalization import Equalization, equalize_
from compression.quantization.repairs.scale_refit import fit_channels_


@dataclass(frozen=True)
class Calibration:
    """Settings of calibration: the observers of weights and activations, and numbers of batches; 0 skips a step.

    ``num_batches`` batches set the scales of activations. ``batch_norm_batches`` of ``norm_batches`` re-estimate the
    statistics of batch norm. ``norm_batches`` must be augmented as in training, because the weights expect the
    statistics that they were trained with.
    """

    weights: MakeObserver
    activations: MakeObserver | None
    num_batches: int
    batch_norm_batches: int = 0
    norm_batches: Batches = ()


@dataclass(frozen=True)
class Repairs:
    """Optional methods that repair rounding errors, or that do not round to nearest; all are off by default.

    - ``equalize``: None for no equalization, else how it treats ReLU6: "skip" or "replace".
    - ``adaround``: learned rounding, on ``adaround_images`` images.
    - ``bias_correction_batches``: the batches for bias correction; 0 for none.
    - ``rdoq_lambda``: the price of a bit in rate-aware rounding; 0 switches it off. It excludes ``adaround``. The
      sensitivity of the loss to each weight is measured on ``rdoq_batches`` batches, and the scale and bias of each
      channel are fitted on the same batches.
    """

    equalize: str | None = None
    adaround: AdaRound | None = None
    adaround_images: int = 512
    bias_correction_batches: int = 0
    rdoq_lambda: float = 0.0
    rdoq_batches: int = 16

    def __post_init__(self) -> None:
        """Raise ``InputError`` if two methods of rounding are set at once."""
        if self.rdoq_lambda and self.adaround is not None:
            raise InputError(f"rdoq_lambda={self.rdoq_lambda} contradicts adaround, which rounds too: set only one")


class Calibrated(NamedTuple):
    """A network that rounds as its plan says, with the results of the repairs."""

    network: fx.GraphModule
    plan: Plan
    equalization: Equalization
    rounding: Mapping[str, RoundingErrors]
    code_bits: CodeBits | None = None


def calibrated(model: nn.Module, plan: Plan, settings: Calibration, batches: Batches) -> fx.GraphModule:
    """Return a copy of ``model`` that rounds as ``plan`` says, with observed scales, ready for training.

    Batch norm is not folded. ``batches`` are (images ``[B, C, H, W]``, labels) of training images. ``model`` does not
    change. Raises ``InputError`` for a model that cannot be traced or does not fit the plan.
    """
    network = _weights_rounded(_traced(model, plan, settings), plan, settings)
    _calibrate_(network, plan, settings, batches)
    return network


def quantized(
    model: nn.Module,
    plan: Plan,
    settings: Calibration,
    batches: Batches,
    *,
    repairs: Repairs | None = None,
    curvature: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> Calibrated:
    """Return a copy of ``model`` with rounded weights and activations, and the results of the repairs.

    Steps: re-estimate and fold batch norm, equalize ranges, observe scales, repair the rounding. ``batches`` are
    (images ``[B, C, H, W]``, labels) of training images. ``curvature`` is from ``weight_curvature`` for the same model
    and repairs; without it, it is measured. ``generator`` draws images and positions for AdaRound. ``model`` does not
    change. Raises ``InputError`` for a model that cannot be traced or does not fit the plan.
    """
    repairs = repairs or Repairs()
    reference = _traced(model, plan, settings)
    equalization = _prepare_float_(reference, equalize=repairs.equalize)
    plan = replace(plan, unclamped=tuple(equalization.unclamped)) if repairs.equalize is not None else plan
    network, code_bits = _weights_rounded(reference, plan, settings), None
    if repairs.rdoq_lambda:
        # Activations stay in float here. Their scales are observed later, with the weights that will be stored.
        rounded = _weights_rounded(reference, Plan(plan.layers), settings)
        lam, num_batches = repairs.rdoq_lambda, repairs.rdoq_batches
        if curvature is None:
            curvature = measure_curvature(reference, batches, num_batches=num_batches)
        code_bits = round_by_rate_(rounded, curvature, lam=lam)
        plan = replace(plan, grid_vectors=True)
        fit_channels_(rounded, reference, batches, num_batches=num_batches, on_grid=True)
        take_layers_(network, rounded)
    _calibrate_(network, plan, settings, batches)
    rounding: dict[str, RoundingErrors] = {}
    if repairs.adaround is not None:
        images = _some_images(batches, repairs.adaround_images)
        generator = generator or torch.Generator()
        rounding = learn_rounding_(network, reference, images, generator=generator, settings=repairs.adaround)
    if repairs.bias_correction_batches:
        correct_biases_(network, reference, batches, num_batches=repairs.bias_correction_batches)
    return Calibrated(network, plan, equalization, rounding, code_bits)


def weight_curvature(
    model: nn.Module, batches: Batches, *, equalize: str | None, num_batches: int
) -> dict[str, Tensor]:
    """Return the curvature of the float network that ``quantized`` rounds, with batch norm as it is in ``model``.

    ``equalize`` is that of ``Repairs``. The first ``num_batches`` of ``batches`` are read. ``model`` does not change.
    """
    reference = trace(model)
    _prepare_float_(reference, equalize=equalize)
    return measure_curvature(reference, batches, num_batches=num_batches)


def _prepare_float_(graph: fx.GraphModule, *, equalize: str | None) -> Equalization:
    fold_batch_norms_(graph)
    return Equalization() if equalize is None else equalize_(graph, relu6=equalize)


def _traced(model: nn.Module, plan: Plan, settings: Calibration) -> fx.GraphModule:
    graph = trace(model)
    if settings.batch_norm_batches:
        refit_batch_norm_(graph, plan, settings.weights, settings.norm_batches, num_batches=settings.batch_norm_batches)
    return graph


def _weights_rounded(graph: fx.GraphModule, plan: Plan, settings: Calibration) -> fx.GraphModule:
    network = prepare(graph, plan)
    observe_weights_(network, settings.weights)
    return network


def _calibrate_(network: fx.GraphModule, plan: Plan, settings: Calibration, batches: Batches) -> None:
    if plan.activations:
        assert settings.activations is not None, "no observer of activations"
        calibrate_(network, settings.activations, batches, num_batches=settings.num_batches)


def _some_images(batches: Batches, num_images: int) -> torch.Tensor:
    size = len(next(iter(batches))[0])
    return torch.cat([images for images, _ in islice(batches, -(-num_images // size))])[:num_images]
