"""The weights of ``model.weights``: a file that replaces dense training, or is the start of it."""

import logging
from pathlib import Path

import torch
from torch import nn

from compression.artifact import read_contents, read_weights
from compression.core.container import is_container
from compression.models.load_weights import Adapted, adapt_weights, load_weights_
from compression.models.registry import build_model, is_built_in, without_download
from compression.run.context import Context
from compression.system.files import existing_file, hash_file

log = logging.getLogger(__name__)


def load_given_weights_(context: Context, model: nn.Module) -> Adapted:
    """Load ``model.weights`` into ``model``, a network of ``context``; return what was taken and what is new.

    A head for other classes stays the model's own, and a stem of three channels is summed for grey images. Raises
    ``InputError`` if the file is missing or does not fit otherwise.
    """
    given = context.config.model["weights"]
    path = existing_file(given, key="model.weights")
    adapted = adapt_weights(
        read_weights(path), model, head=find_head(context, model), other_classes=_has_other_classes(path, context)
    )
    load_weights_(model, adapted.weights, source=given)
    return adapted


def hash_given_weights(given: str) -> str:
    """Return the SHA-256 of the file ``given``; raises ``InputError`` if it is missing."""
    return hash_file(existing_file(given, key="model.weights"))


def is_start(context: Context, adapted: Adapted) -> bool:
    """Return whether the given weights are the start of dense training, rather than its result.

    They are if they had to be changed, or if ``training.fine_tune`` or ``training.freeze_epochs`` asks for training.
    """
    training = context.config.training
    return adapted.changed or training.fine_tune or training.freeze_epochs > 0


def starts_from_weights(context: Context) -> bool:
    """Return whether ``model.weights`` is given and is the start of dense training. Reads the file."""
    if context.config.model.get("weights") is None:
        return False
    return is_start(context, load_given_weights_(context, context.build_model(pretrained=False)))


def describe_start(context: Context, adapted: Adapted) -> str:
    """Return in one line what was taken from the file, what is new, and what follows."""
    given, config = context.config.model["weights"], context.config.training
    if not is_start(context, adapted):
        return f"{given} replaces dense training"
    taken = sum(name not in adapted.new for name in adapted.weights)
    parts = [f"{taken} tensors of {given}"]
    if adapted.new:
        parts.append(f"a new head for {context.data.num_classes} classes ({', '.join(adapted.new)})")
    if adapted.summed:
        parts.append(f"{', '.join(adapted.summed)} summed over 3 input channels")
    frozen = f"; all but the head is frozen for {config.freeze_epochs} epochs" if config.freeze_epochs else ""
    return f"starts from {', '.join(parts)}{frozen}"


def find_head(context: Context, model: nn.Module) -> frozenset[str]:
    """Return the names of the tensors of ``model`` whose shapes depend on the number of classes.

    Another network with one class more is built to compare with. Random generators do not change.
    """
    architecture = context.architecture
    target, kwargs = architecture["target"], without_download(architecture["kwargs"])
    device = "meta" if is_built_in(target) else "cpu"
    with torch.random.fork_rng(devices=[]), torch.device(device):
        other = build_model(
            target,
            num_classes=architecture["num_classes"] + 1,
            kwargs=kwargs,
            allow=context.allowed_imports,
            example=context.example(),
        )
    shapes = {name: value.shape for name, value in other.state_dict().items()}
    return frozenset(name for name, value in model.state_dict().items() if shapes.get(name) != value.shape)


def _has_other_classes(path: Path, context: Context) -> bool:
    """Return whether an artifact names other classes than those of the data. Other files do not name theirs."""
    return is_container(path) and list(read_contents(path).card.class_names) != context.data.class_names
