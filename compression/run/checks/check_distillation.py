"""Checks of distillation before training: the teacher runs on the data, and its layers fit the student's."""

import logging

import torch
from torch import Tensor, nn

from compression.core.errors import InputError, first_line
from compression.core.selection import device_of
from compression.core.tracing import trace
from compression.distillation.features import check_layers, feature_shapes
from compression.distillation.inheritance import check_inheritance
from compression.models.network_traits import UNSUITABLE
from compression.run.checks.check_first_size import find_small_sizes
from compression.run.checks.network_errors import small_batch
from compression.run.context import Context
from compression.run.training.load_teacher import read_given_teacher, wrong_classes
from compression.run.training.teaching import make_feature_transfer

log = logging.getLogger(__name__)


def check_distillation(context: Context, dense_model: nn.Module, student: nn.Module) -> None:
    """Raise ``InputError`` if teacher and student do not fit together; log which layers are compared.

    Both networks may be untrained.
    """
    settings = context.config.distillation
    if not settings.teaches:
        return
    teacher = _check_teacher(context, dense_model)
    if settings.inherit_weights:
        check_inheritance(student, teacher)
    if settings.name == "feature":
        transfer = make_feature_transfer(context, student, teacher)
        pairs = ", ".join(f"{mine} from {its}" for mine, its in transfer.pairs)
        log.info("distillation  %s of %s", settings.feature.kind, pairs)
        if context.config.trains_quantized:
            _check_traced(context, student)


def _check_traced(context: Context, student: nn.Module) -> None:
    """Raise ``InputError`` for a layer that the traced graph lacks: it keeps no containers, such as ``Sequential``."""
    check_layers(
        context.config.distillation.feature.student_layers,
        feature_shapes(trace(student), context.example(device_of(student))),
        key="distillation.feature.student_layers",
        model=f"{type(student).__name__} as quantization=qat runs it",
    )


def _check_teacher(context: Context, dense_model: nn.Module) -> nn.Module:
    """Return the network that will teach: ``dense_model`` or a given one. Raise ``InputError`` if it does not fit."""
    given = context.config.distillation.teacher
    if given is None:
        return dense_model
    net, card = read_given_teacher(context, given)
    size = context.data.image_size
    if card is not None and card.input.channels != context.data.channels:
        raise InputError(
            f"distillation.teacher={given} reads images of {card.input.channels} channels, and data.channels is "
            f"{context.data.channels}: must be the same"
        )
    if card is not None and card.input.size != size:
        log.info("distillation  the teacher was trained on %d pixels and is given %d", card.input.size, size)
    logits = _run_teacher(
        net, context.example(), f"distillation.teacher={given} does not run on data.image_size={size}"
    )
    # It sees the same small images as a student.
    for small in find_small_sizes(context.student) if context.has_student else ():
        images, _ = small_batch(context, size=small)
        first = f"training.first_size={context.config.training.first_size}"
        _run_teacher(
            net, images, f"distillation.teacher={given} does not run on {small} pixels, which {first} leads to"
        )
    if tuple(logits.shape) != (2, context.data.num_classes):
        raise wrong_classes(given, logits.shape[-1], context)
    return net


def _run_teacher(net: nn.Module, images: Tensor, failure: str) -> Tensor:
    """Return the logits of ``images``. Raise ``InputError``, ``failure`` and the reason, if the network cannot run."""
    try:
        with torch.no_grad():
            logits: Tensor = net.eval()(images)
    except UNSUITABLE as error:
        raise InputError(f"{failure}: {first_line(error)}") from error
    return logits
