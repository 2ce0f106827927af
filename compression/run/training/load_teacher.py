"""The teacher of a run: its dense model, or the network of a file."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compression.artifact import load_artifact, read_contents, read_weights
from compression.core.container import is_container
from compression.core.errors import InputError
from compression.core.model_card import ModelCard
from compression.distillation.teacher import Teacher
from compression.models.load_weights import load_weights_
from compression.models.registry import is_built_in
from compression.run.building.network_files import load_network
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.stage_store.store import StageRecord

log = logging.getLogger(__name__)


def load_teacher(context: Context, dense_model: StageRecord) -> Teacher:
    """Return the teacher that the configuration names, or the dense model of the run."""
    given = context.config.distillation.teacher
    if given is None:
        return Teacher(load_network(context.dense, dense_model))
    net, card = _read_given(context, given)
    teacher = Teacher(net)
    if card is not None:
        data = context.data
        teacher.renormalize(ours=(data.mean, data.std), its=(card.input.mean, card.input.std))
    return teacher


def teacher_identity(context: Context, dense_model: StageRecord) -> dict[str, Any]:
    """Return what the teacher is: the dense model's id, or the content of its file and the code that reads it."""
    given = context.config.distillation.teacher
    if given is None:
        return {"dense": dense_model.id}
    path = _existing(given)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if is_container(path):
        target = read_contents(path).card.architecture.target
        return {"sha256": digest, "code": user_code({"_target_": target})}
    model = context.dense.config.model
    return {"sha256": digest, "model": context.dense.architecture, "code": user_code(model)}


def check_teacher(context: Context, dense_model: nn.Module) -> nn.Module:
    """Return the network that will teach, ``dense_model`` or a given one; raises ``InputError`` where it cannot."""
    given = context.config.distillation.teacher
    if given is None:
        return dense_model
    net, card = _read_given(context, given)
    size = context.dataset.image_size
    if card is not None and card.input.size != size:
        log.info("distillation  the teacher was trained on %d pixels and is given %d", card.input.size, size)
    try:
        with torch.no_grad():
            logits = net.eval()(torch.zeros(2, 3, size, size))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"distillation.teacher={given} does not run on data.image_size={size}: {reason}") from error
    if tuple(logits.shape) != (2, context.num_classes):
        raise _other_classes(given, logits.shape[-1], context)
    return net


def _existing(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise InputError(f"distillation.teacher={given}: no such file")
    return path


def _read_given(context: Context, given: str) -> tuple[nn.Module, ModelCard | None]:
    path = _existing(given)
    try:
        if not is_container(path):
            return _read_weights(context, given, path), None
        card = read_contents(path).card
        _check_card(context, given, card)
        return load_artifact(path, allow=context.allowed_imports).model, card
    except InputError as error:
        if str(error).startswith("distillation.teacher="):
            raise
        raise InputError(f"distillation.teacher={given} is no artifact, checkpoint or state dict: {error}") from error


def _check_card(context: Context, given: str, card: ModelCard) -> None:
    names, ours = tuple(card.class_names), tuple(context.dataset.class_names)
    if len(names) != len(ours):
        raise _other_classes(given, len(names), context)
    if names != ours:
        label = next(label for label, (its, name) in enumerate(zip(names, ours, strict=True)) if its != name)
        raise InputError(
            f"distillation.teacher={given} has other classes: {names[label]!r} where the data has {ours[label]!r}; "
            "must be those of the data, in their order"
        )
    target, allowed = card.architecture.target, context.allowed_imports
    if not is_built_in(target) and target.split(".")[0] not in allowed:
        raise InputError(
            f"distillation.teacher={given} is a {target}: must be one of compression.models, or of a module that "
            f"model._target_ or the student names ({', '.join(allowed)})"
        )


def _read_weights(context: Context, given: str, path: Path) -> nn.Module:
    model, weights = context.dense.build_model(pretrained=False), read_weights(path)
    expected = model.state_dict()
    others = [name for name, value in expected.items() if name in weights and weights[name].shape != value.shape]
    # The head alone differs, and in its outputs alone.
    if others and all(
        expected[name].shape[:1] == (context.num_classes,) and weights[name].shape[1:] == expected[name].shape[1:]
        for name in others
    ):
        raise _other_classes(given, weights[others[0]].shape[0], context)
    try:
        load_weights_(model, weights, source=given)
    except InputError as error:
        target = context.dense.config.model["_target_"]
        raise InputError(
            f"distillation.teacher={given} must be an artifact, or weights of model {target}: {error}"
        ) from error
    return model


def _other_classes(given: str, found: int, context: Context) -> InputError:
    return InputError(
        f"distillation.teacher={given} has {found} classes, the data {context.num_classes}: must be the same ones"
    )
