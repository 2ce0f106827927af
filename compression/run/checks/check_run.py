"""All checks of a run before training."""

import logging
import re
from collections.abc import Callable
from typing import TypeVar

from torch import nn

from compression.core.errors import InputError
from compression.run.building.configured_loss import check_class_weights
from compression.run.building.given_weights import describe_start, find_head, load_given_weights_
from compression.run.checks.check_distillation import check_distillation
from compression.run.checks.check_engines import check_engines
from compression.run.checks.check_first_size import check_first_size
from compression.run.checks.check_model import check_model
from compression.run.checks.check_network import check_network
from compression.run.checks.check_quantization import check_quantization
from compression.run.checks.check_quantized_network import check_quantized_network
from compression.run.checks.check_strategy import check_strategy
from compression.run.context import Context
from compression.run.training.configured_callbacks import make_callbacks
from compression.storage.codec_registry import get_allowed
from compression.system.extras import require_packages

log = logging.getLogger(__name__)

_T = TypeVar("_T")

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
    student = _as_student(check_model, context.student) if context.has_student else model
    check_network(context, model)
    check_first_size(context, model)
    if student is not model:
        _as_student(check_network, context.student, student)
        _as_student(check_first_size, context.student, student)
    for network in {id(model): model, id(student): student}.values():
        check_engines(
            config.runtime.engines, network, image_size=context.data.image_size, channels=context.data.channels
        )
    if config.strategy.prunes:
        check_strategy(context.student, student)
    if config.quantizes:
        check_quantization(context.student, student)
        _as_student(check_quantized_network, context.student, student)
    make_callbacks(context)
    _check_weights(context, model)
    check_distillation(context, model, student)


def _check_weights(context: Context, model: nn.Module) -> None:
    """Load the given weights into ``model`` and log what becomes of them; check that a frozen body is a trained one."""
    config = context.config
    if config.model.get("weights") is not None:
        log.info("dense  %s", describe_start(context, load_given_weights_(context, model)))
    elif config.training.fine_tune:
        raise InputError("training.fine_tune=true needs weights to start from: must be false, or with model.weights")
    frozen = f"training.freeze_epochs={config.training.freeze_epochs}"
    if config.training.freeze_epochs == 0:
        return
    if config.model.get("weights") is None and not config.model.get("pretrained"):
        raise InputError(f"{frozen} would keep random weights: must be 0, or with model.weights or model.pretrained")
    if config.trainer.devices > 1:
        raise InputError(f"{frozen} contradicts trainer.devices={config.trainer.devices}: must be 0, or one device")
    if not find_head(context, model):
        raise InputError(f"{frozen} freezes all but the head, and no layer of the model depends on the classes")


def _as_student(check: Callable[..., _T], context: Context, *network: nn.Module) -> _T:
    """Return the result of a check of the compressed network; an error of it names the student's key."""
    try:
        return check(context, *network)
    except InputError as error:
        if context.teacher is None:
            raise
        # The message names the key "model"; here it must name the student's key.
        raise InputError(re.sub(r"^model\b", "distillation.student", str(error))) from error
