"""The quantize stage: weights and activations rounded to grids, calibrated or trained, and stored as integers."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, fx, nn

from compression.callbacks.held_zeros import HeldZeros
from compression.config.quantization_schema import LayerBits
from compression.config.rules import result_settings
from compression.core.class_scores import collect_confusions, score_confusions
from compression.core.counting import count_layer_weights, model_sparsity
from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.core.file_names import CURVATURE, WEIGHTS
from compression.core.learning_rate import LR_FLOOR, warmup_cosine
from compression.core.masks import MaskSet
from compression.core.seeding import derive_seed, make_generator
from compression.core.selection import prunable_weights
from compression.models.registry import is_own_family
from compression.quantization.bits.bit_allocation import allocate_bits, allocate_for_drop
from compression.quantization.bits.bit_sensitivity import BitTable
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.network.fake_network import learn_steps_
from compression.quantization.network.integer_network import integer_state
from compression.quantization.network.stored_vectors import encode_vectors
from compression.quantization.plan import Bits, Plan, describe_arithmetic
from compression.quantization.post_training import Calibrated, Repairs, calibrated, quantized
from compression.quantization.repairs.adaround import AdaRound
from compression.run.building.configured_calibration import (
    calibration_for,
    equalization_for,
    measuring_batches,
    narrowing_for,
)
from compression.run.building.configured_loss import shared_settings
from compression.run.building.configured_plan import left_in_float, plan_for, reduced, reduces_range
from compression.run.building.network_files import build_network, is_compacted, load_network, save_tensors
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.fit import Fitted, fit
from compression.run.training.task import make_task, validate
from compression.run.training.teaching import distillation_callbacks, distillation_identity
from compression.stage_store.store import Made, StageKey, StageRecord

log = logging.getLogger(__name__)

VERSION = 5


def obtain_quantized(context: Context, made: Finished) -> StageRecord:
    """Return the newest network, quantized and stored as integers.

    With distillation, the dense model teaches quantization-aware training unless the configuration names another
    teacher. With a budget, the table of the bits stage decides the bits of each layer. The curvature follows from the
    key, so it is no parent: stages of versions that measured it here are still found.
    """
    student, parent, table, teacher = context.student, made.network, made.get("bits"), made["dense"]
    config = student.config
    settings = result_settings(config.quantization)
    inputs: dict[str, Any] = {
        "quantization": {key: value for key, value in settings.items() if key != "training"},
        "bits": [config.weight_bits, config.activation_bits],
        "reduced_range": reduces_range(student),
        "code": user_code(settings),
        "seed": config.seed,
        "arithmetic": student.machine.identity,
    }
    inputs |= _corrections(student)
    if config.quantization.name == "qat":
        inputs["training"] = {**settings["training"], **shared_settings(student)}
        inputs |= distillation_identity(student, teacher)
    key = StageKey("quantize", VERSION, inputs, parents=(parent.id, *([table.id] if table else [])))
    return student.store.obtain(key, partial(_quantize, student, parent, teacher, table, made.get("curvature")))


def _corrections(context: Context) -> dict[str, Any]:
    """Return what this version computes otherwise than earlier ones, for the settings and networks that it concerns.

    Other stages of earlier versions are still found.
    """
    config, changed = context.config, {}
    refined = [LayerBits.parse(text) for text in config.quantization.layer_bits]
    if len(refined) > 1:
        # The last of several matching patterns won.
        changed["layer_bits"] = "most specific"
    if config.quantization.rdoq_lambda:
        # The gradient of each position of an image was squared, which priced the last layers too low.
        changed["curvature"] = "of whole images, tempered"
        # Scales kept six significant bits, and biases eight. Then integers were chosen before scales were on a grid.
        changed["vectors"] = "on grids, before integers"
    if config.quantization.name == "qat" and FULL_PRECISION in (config.weight_bits, *(one.weight for one in refined)):
        # Training brought back pruned weights of layers in float.
        changed["zeros"] = "held in float too"
    if refined and FULL_PRECISION in (config.activation_bits, *(one.activation for one in refined)):
        # Biases of layers with float inputs were counted in steps.
        changed["biases"] = "of float layers in float"
        # What only such layers read was rounded too.
        changed["inputs"] = "in float where no other layer rounds them"
    if not is_own_family(context.architecture["target"]):
        # A ReLU between a layer and a batch norm was rounded behind the batch norm.
        changed["places"] = "behind a batch norm that is folded"
        # What an activation in place overwrote behind an identity was read with its old values.
        changed["in_place"] = "followed through identities"
    return changed


def _quantize(
    context: Context,
    parent: StageRecord,
    teacher: StageRecord,
    table: StageRecord | None,
    curvature: StageRecord | None,
    folder: Path,
) -> Made:
    model = load_network(context, parent).to(context.machine.device).eval()
    plan = plan_for(context, model)
    if table is not None:
        try:
            plan = _allocate(context, model, plan, BitTable.from_json(table.results))
        except InputError as error:
            raise InputError(f"quantization.allocation.{error}") from error
    training = context.config.quantization.name == "qat"
    batches = measuring_batches(context)
    log.info("quantize  %s", describe_arithmetic(plan))
    rows, seconds, best_epoch, repaired = [], 0.0, 0, {}
    if training:
        prepared = calibrated(model, plan, calibration_for(context), batches)
        fitted = _train(context, prepared, teacher, folder, arithmetic=describe_arithmetic(plan))
        prepared.load_state_dict(fitted.weights)
        rows, seconds, best_epoch = fitted.rows, fitted.earlier_seconds, fitted.best_epoch
    else:
        generator = make_generator(derive_seed(context.config.seed, "quantize"))
        made = quantized(
            model,
            plan,
            calibration_for(context),
            batches,
            repairs=_repairs(context),
            curvature=None if curvature is None else load_file(curvature.path / CURVATURE),
            generator=generator,
        )
        prepared, plan, repaired = made.network, made.plan, _describe_repairs(made)
    state = integer_state(prepared, plan, narrowing_for(context))
    network = build_network(context, state, compacted=is_compacted(parent), plan=plan)
    save_tensors(state, folder / WEIGHTS)
    whole = count_layer_weights(model)
    before, after = model_sparsity(model, whole), model_sparsity(network, whole)
    assert after >= before, f"rounding brought weights back: {before} zeros before, {after} after"
    results = {
        "compacted": is_compacted(parent),
        "plan": plan.to_json(),
        "method": context.config.quantization.name,
        "reduced_range": plan.reduced_range,
        **validate(context, network).to_results(),
        "best_epoch": best_epoch,
        "history": rows,
        "sparsity_before": before,
        "sparsity": after,
        "layers": describe_layers(encode_vectors(state, plan), plan),
        "left_in_float": left_in_float(model, plan),
        "repairs": repaired,
    }
    return Made(results, seconds)


def _allocate(context: Context, model: nn.Module, plan: Plan, table: BitTable) -> Plan:
    """Return ``plan`` with weight bits that fit the budget; layers that lose most with few bits keep more."""
    settings = context.config.quantization.allocation
    sizes = {name: table.sizes[name] for name in plan.layers}
    most = context.config.weight_bits
    table = replace(
        table, loss={name: {b: loss for b, loss in row.items() if b <= most} for name, row in table.loss.items()}
    )
    if settings.max_bytes is not None:
        return reduced(context, _with_bits(plan, allocate_bits(table, sizes, max_bytes=settings.max_bytes)))
    images = context.data.val_subset(settings.images)

    def measure(network: nn.Module) -> float:
        with evaluating(network):
            matrix = collect_confusions(network, images, context.data.num_classes)
        return float(score_confusions(matrix, context.monitor))

    def measure_bits(bits: Mapping[str, int]) -> float:
        tried = reduced(context, _with_bits(plan, bits))
        batches = measuring_batches(context)
        return measure(quantized(model, tried, calibration_for(context), batches).network)

    assert settings.max_drop is not None, "no budget"
    baseline = measure(model)
    chosen = allocate_for_drop(table, sizes, baseline=baseline, max_drop=settings.max_drop, measure=measure_bits)
    return reduced(context, _with_bits(plan, chosen))


def _with_bits(plan: Plan, weight_bits: Mapping[str, int]) -> Plan:
    layers = {name: Bits(weight_bits[name], bits.activation) for name, bits in plan.layers.items()}
    return replace(plan, layers=layers)


def _repairs(context: Context) -> Repairs:
    settings = context.config.quantization
    return Repairs(
        equalize=equalization_for(context),
        adaround=AdaRound(iterations=settings.adaround.iterations) if settings.adaround.iterations else None,
        adaround_images=settings.adaround.images,
        bias_correction_batches=settings.bias_correction_batches,
        rdoq_lambda=settings.rdoq_lambda,
        rdoq_batches=settings.rdoq_batches,
    )


def _describe_repairs(made: Calibrated) -> dict[str, Any]:
    """Return what the repairs did: equalized and skipped pairs of layers, rounding errors, bits of all weights."""
    return {
        "equalized": [list(pair) for pair in made.equalization.pairs],
        "not_equalized": [list(pair) for pair in made.equalization.skipped],
        "rounding_errors": {name: list(errors) for name, errors in made.rounding.items()},
        "code_bits": None if made.code_bits is None else made.code_bits._asdict(),
    }


def _train(
    context: Context, prepared: fx.GraphModule, teacher: StageRecord, folder: Path, *, arithmetic: str
) -> Fitted:
    settings = context.config.quantization.training
    if settings.learn_step:
        learn_steps_(prepared)
    prepared.train()
    # Also those of layers that stay in float, because they are trained too.
    zeros = MaskSet({name: weight.detach() != 0 for name, weight in prunable_weights(prepared).items()})
    num_updates = len(context.data.train_batches()) * settings.epochs
    lr_factor = partial(
        warmup_cosine, num_updates=num_updates, num_warmup=round(num_updates * settings.warmup), floor=LR_FLOOR
    )
    lr = settings.lr_factor * context.config.training.optimizer["lr"]
    task = make_task(context, prepared, lr_factor, lr=lr)
    callbacks = [HeldZeros(zeros), *distillation_callbacks(context, teacher, prepared)]
    fitted = fit(
        context, "quantize", folder, task, num_epochs=settings.epochs, callbacks=callbacks, arithmetic=arithmetic
    )
    assert zeros.to("cpu").hold(fitted.weights), "a pruned weight came back"
    return fitted


def describe_layers(state: dict[str, Tensor], plan: Plan) -> list[dict[str, Any]]:
    """Return one row per layer: name, bits of weight and input, number of weights and zeros, and packed bytes."""
    rows = []
    for name, bits in plan.layers.items():
        weight = state[f"{name}.weight"]
        others = [state.get(f"{name}.{role}") for role in ("weight_scale", "scale_middle", "bias", "bias_step")]
        packed = -(-weight.numel() * bits.weight // 8)
        rows.append(
            {
                "layer": name,
                "weight_bits": bits.weight,
                "activation_bits": bits.activation,
                "weights": weight.numel(),
                "zeros": int((weight == 0).sum()),
                "bytes": packed + sum(value.numel() * value.element_size() for value in others if value is not None),
            }
        )
    return rows
