"""All checks of a run before training."""

import re

from torch import nn

from compression.core.errors import InputError
from compression.run.building.configured_loss import check_class_weights
from compression.run.building.given_weights import load_given_weights_
from compression.run.checks.check_distillation import check_distillation
from compression.run.checks.check_engines import check_engines
from compression.run.checks.check_model import check_model
from compression.run.checks.check_quantization import check_quantization
from compression.run.checks.check_strategy import check_strategy
from compression.run.context import Context
from compression.storage.codec_registry import get_allowed
from compression.system.extras import require_packages

# Packages that a run imports only when it exports, evaluates or reports, which is after hours of training.
_IMPORTED_LATE = ("onnx", "onnxscript", "onnxruntime", "tensorboard")


def check_run(context: Context) -> None:
    """Raise ``InputError`` for every error that can be found before training."""
    require_packages(*_IMPORTED_LATE)
    context.data.dataset.check()
    check_class_weights(context)
    config = context.config
    get_allowed(config.storage.codec)
    model = check_model(context)
    student = _check_student(context.student) if context.has_student else model
    for network in {id(model): model, id(student): student}.values():
        check_engines(config.runtime.engines, network, image_size=context.data.image_size)
    if config.strategy.prunes:
        check_strategy(context.student, student)
    if config.quantizes:
        check_quantization(context.student, student)
    given = config.model.get("weights")
    if given is not None:
        load_given_weights_(model, given)
    check_distillation(context, model, student)


def _check_student(student: Context) -> nn.Module:
    try:
        return check_model(student)
    except InputError as error:
        # The message names the key "model"; here it must name the student's key.
        raise InputError(re.sub(r"^model\b", "distillation.student", str(error))) from error
