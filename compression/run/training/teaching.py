"""The teacher in the trainings of a run: pruning's recovery, fine-tuning, a student's own, and quantization's."""

import logging
from dataclasses import asdict
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from compression.callbacks.distillation import DistillationCallback
from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import device_of
from compression.distillation.features import (
    check_layers,
    choose_attention_layers,
    choose_hint_layers,
    feature_shapes,
)
from compression.distillation.inheritance import check_inheritance, inherit_weights_
from compression.distillation.objective import Distillation
from compression.distillation.transfer import USUAL_WEIGHT, FeatureTransfer, make_transfer
from compression.quantization.network.graph import trace
from compression.run.context import Context
from compression.run.training.load_teacher import check_teacher, load_teacher, teacher_identity
from compression.stage_store.store import StageRecord

log = logging.getLogger(__name__)

# Raised where a change of the loss, or of how layers are chosen, changes results: it is in the identity of every
# stage that has a teacher, and of no other.
VERSION = 1


def distillation_callbacks(context: Context, dense_model: StageRecord, student: nn.Module) -> list[Callback]:
    """Return what has ``student`` taught while it is fitted: nothing where the configuration has no teacher."""
    settings = context.config.distillation
    if not settings.teaches:
        return []
    teacher = load_teacher(context, dense_model)
    distillation = Distillation(
        teacher,
        alpha=settings.alpha,
        temperature=settings.temperature,
        label_smoothing=context.config.training.label_smoothing,
        transfer=_make_transfer(context, student, teacher.net) if settings.name == "feature" else None,
    )
    return [DistillationCallback(distillation)]


def inherit_from_teacher_(context: Context, dense_model: StageRecord, student: nn.Module) -> None:
    """Fill ``student``, which has fewer channels, with the first ones of its teacher."""
    inherit_weights_(student, load_teacher(context, dense_model).net)


def distillation_identity(context: Context, dense_model: StageRecord) -> dict[str, Any]:
    """Return what of the teaching bears on a stage's result, for its inputs: nothing where there is no teacher."""
    settings = context.config.distillation
    if not settings.teaches:
        return {}
    identity = {
        "version": VERSION,
        "teacher": teacher_identity(context, dense_model),
        **{key: getattr(settings, key) for key in ("name", "alpha", "temperature")},
    }
    if settings.name == "feature":
        identity["feature"] = asdict(settings.feature) | {"weight": _weight(context)}
    return {"distillation": identity}


def check_distillation(context: Context, dense_model: nn.Module, student: nn.Module) -> None:
    """Raise ``InputError`` where teacher and student do not go together; say which layers are compared.

    Both networks may be untrained.
    """
    settings = context.config.distillation
    if not settings.teaches:
        return
    teacher = check_teacher(context, dense_model)
    if settings.inherit_weights:
        check_inheritance(student, teacher)
    if settings.name == "feature":
        transfer = _make_transfer(context, student, teacher)
        pairs = ", ".join(f"{mine} from {its}" for mine, its in transfer.pairs)
        log.info("distillation  %s of %s", settings.feature.kind, pairs)
        if context.config.trains_quantized:
            _check_traced(context, student)


def _check_traced(context: Context, student: nn.Module) -> None:
    """Quantization runs single layers one after the other; those around them, such as stages of a ResNet, are gone."""
    check_layers(
        context.config.distillation.feature.student_layers,
        feature_shapes(trace(student), _example(context, student)),
        key="distillation.feature.student_layers",
        model=f"{type(student).__name__} as quantization=qat runs it",
    )


def describe_distillation(context: Context) -> dict[str, Any] | None:
    """Return what a record says of the teaching: None where there was none."""
    settings = context.config.distillation
    if not settings.teaches:
        return None
    described: dict[str, Any] = {
        "name": settings.name,
        "alpha": settings.alpha,
        "temperature": settings.temperature,
        "teacher": settings.teacher or "dense",
        "feature": None,
        "student": None,
    }
    if settings.name == "feature":
        described["feature"] = asdict(settings.feature) | {"weight": _weight(context)}
    if settings.student:
        architecture = context.student.architecture
        described["student"] = {
            "model": architecture["target"],
            "model_settings": architecture["kwargs"],
            "epochs": student_epochs(context),
            "inherit_weights": settings.inherit_weights,
        }
    return described


def student_epochs(context: Context) -> int:
    """Return how long a student is trained."""
    return context.config.distillation.epochs or context.config.training.epochs


def _weight(context: Context) -> float:
    feature = context.config.distillation.feature
    return USUAL_WEIGHT[feature.kind] if feature.weight is None else feature.weight


def _make_transfer(context: Context, student: nn.Module, teacher: nn.Module) -> FeatureTransfer:
    feature = context.config.distillation.feature
    mine, its = (feature_shapes(net, _example(context, net)) for net in (student, teacher))
    if feature.student_layers:
        names = {"student": type(student).__name__, "teacher": type(teacher).__name__}
        for role, shapes in (("student", mine), ("teacher", its)):
            key = f"distillation.feature.{role}_layers"
            check_layers(getattr(feature, f"{role}_layers"), shapes, key=key, model=names[role])
        pairs = list(zip(feature.student_layers, feature.teacher_layers, strict=True))
    else:
        pairs = (choose_attention_layers if feature.kind == "attention" else choose_hint_layers)(mine, its)
    if not pairs:
        raise InputError(
            f"distillation.feature.kind={feature.kind}: student and teacher must have feature maps [B, C, H, W] to "
            "compare; use distillation=logit"
        )
    return make_transfer(
        feature.kind,
        pairs,
        student=mine,
        teacher=its,
        generator=make_generator(context.config.seed, "regressors"),
        weight=_weight(context),
    )


def _example(context: Context, model: nn.Module) -> Tensor:
    size = context.dataset.image_size
    return torch.zeros(2, 3, size, size, device=device_of(model))
