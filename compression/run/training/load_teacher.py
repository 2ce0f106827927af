"""The teacher of a run: its dense model, or a network that is read from a file."""

from pathlib import Path
from typing import Any

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
from compression.system.files import existing_file, hash_file


def load_teacher(context: Context, dense_model: StageRecord) -> Teacher:
    """Return the teacher that the configuration names, or the dense model of the run."""
    given = context.config.distillation.teacher
    if given is None:
        return Teacher(load_network(context.dense, dense_model))
    net, card = read_given_teacher(context, given)
    teacher = Teacher(net)
    if card is not None:
        images = context.data.images
        teacher.renormalize(ours=(images.mean, images.std), its=(card.input.mean, card.input.std))
    return teacher


def teacher_identity(context: Context, dense_model: StageRecord) -> dict[str, Any]:
    """Return what identifies the teacher: the dense model's id, or the hashes of its file and of its model's code."""
    given = context.config.distillation.teacher
    if given is None:
        return {"dense": dense_model.id}
    path = existing_file(given, key="distillation.teacher")
    digest = hash_file(path)
    if is_container(path):
        target = read_contents(path).card.architecture.target
        return {"sha256": digest, "code": user_code({"_target_": target})}
    model = context.dense.config.model
    return {"sha256": digest, "model": context.dense.architecture, "code": user_code(model)}


def read_given_teacher(context: Context, given: str) -> tuple[nn.Module, ModelCard | None]:
    """Return the network in the file ``given``, and its card if the file is an artifact; raises ``InputError``."""
    path = existing_file(given, key="distillation.teacher")
    try:
        if not is_container(path):
            return _read_weights(context, given, path), None
        card = read_contents(path).card
        _check_card(context, given, card)
        return load_artifact(path, allow=context.allowed_imports).model, card
    except InputError as error:
        if str(error).startswith("distillation.teacher="):
            raise
        raise InputError(
            f"distillation.teacher={given} is not an artifact, checkpoint or state dict: {error}"
        ) from error


def _check_card(context: Context, given: str, card: ModelCard) -> None:
    names, ours = tuple(card.class_names), tuple(context.data.class_names)
    if len(names) != len(ours):
        raise wrong_classes(given, len(names), context)
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
    # Then only the head differs, in its number of outputs.
    if others and all(
        expected[name].shape[:1] == (context.data.num_classes,) and weights[name].shape[1:] == expected[name].shape[1:]
        for name in others
    ):
        raise wrong_classes(given, weights[others[0]].shape[0], context)
    try:
        load_weights_(model, weights, source=given)
    except InputError as error:
        target = context.dense.config.model["_target_"]
        raise InputError(
            f"distillation.teacher={given} must be an artifact, or weights of model {target}: {error}"
        ) from error
    return model


def wrong_classes(given: str, found: int, context: Context) -> InputError:
    """Return the error for a teacher with ``found`` classes, where the data has another number."""
    return InputError(
        f"distillation.teacher={given} has {found} classes, the data {context.data.num_classes}: must be the same ones"
    )
