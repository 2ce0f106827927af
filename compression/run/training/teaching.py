"""Distillation in the trainings of a run: recovery, fine-tuning, a student's training, quantization-aware training."""

from dataclasses import asdict
from typing import Any

from lightning.pytorch import Callback
from torch import nn

from compression.callbacks.distillation import DistillationCallback
from compression.config.rules import result_settings
from compression.core.errors import InputError
from compression.core.seeding import make_generator
from compression.core.selection import device_of
from compression.distillation.features import (
    check_layers,
    choose_attention_layers,
    choose_hint_layers,
    feature_shapes,
)
from compression.distillation.inheritance import inherit_weights_
from compression.distillation.objective import Distillation
from compression.distillation.transfer import USUAL_WEIGHT, FeatureTransfer, make_transfer
from compression.run.building.configured_loss import make_label_loss
from compression.run.context import Context
from compression.run.training.load_teacher import load_teacher, teacher_identity
from compression.stage_store.store import StageRecord

# Part of the key of every stage with a teacher. Raise it when the loss or the choice of layers changes.
VERSION = 1


def distillation_callbacks(context: Context, dense_model: StageRecord, student: nn.Module) -> list[Callback]:
    """Return the callbacks that teach ``student`` during training; none if the configuration has no teacher."""
    settings = context.config.distillation
    if not settings.teaches:
        return []
    teacher = load_teacher(context, dense_model)
    distillation = Distillation(
        teacher,
        alpha=settings.alpha,
        temperature=settings.temperature,
        label_loss=make_label_loss(context),
        transfer=make_feature_transfer(context, student, teacher.net) if settings.name == "feature" else None,
    )
    return [DistillationCallback(distillation)]


def inherit_from_teacher_(context: Context, dense_model: StageRecord, student: nn.Module) -> None:
    """Copy the first channels of the teacher into ``student``, which has fewer of them."""
    inherit_weights_(student, load_teacher(context, dense_model).net)


def distillation_identity(context: Context, dense_model: StageRecord) -> dict[str, Any]:
    """Return the settings of distillation that change a stage's result; empty without a teacher."""
    settings = context.config.distillation
    if not settings.teaches:
        return {}
    identity = {
        "version": VERSION,
        "teacher": teacher_identity(context, dense_model),
        **{key: getattr(settings, key) for key in ("name", "alpha", "temperature")},
    }
    if settings.name == "feature":
        identity["feature"] = result_settings(settings.feature) | {"weight": _weight(context)}
    return {"distillation": identity}


def describe_distillation(context: Context) -> dict[str, Any] | None:
    """Return the description of the distillation for ``metrics.json``; None without a teacher."""
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
    """Return the number of epochs a student is trained for."""
    return context.config.distillation.epochs or context.config.training.epochs


def _weight(context: Context) -> float:
    feature = context.config.distillation.feature
    return USUAL_WEIGHT[feature.kind] if feature.weight is None else feature.weight


def make_feature_transfer(context: Context, student: nn.Module, teacher: nn.Module) -> FeatureTransfer:
    """Return the loss between feature maps of ``student`` and ``teacher``; raises ``InputError`` for unknown layers."""
    feature = context.config.distillation.feature
    mine, its = (feature_shapes(net, context.example(device_of(net))) for net in (student, teacher))
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
