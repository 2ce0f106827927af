"""Loading of weights from files of other programs, with errors that name every difference."""

import pickle
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from compression.core.errors import InputError, first_line
from compression.core.shared_tensors import without_aliases
from compression.core.text import shorten
from compression.models.input_channels import sum_over_inputs

SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")
# Errors that the two readers raise for a damaged file, or for a file that would run code.
UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict or of a Lightning checkpoint by name, on the CPU.

    Reads ``.pt``, ``.pth``, ``.ckpt``, ``.bin`` (without running pickled code) and ``.safetensors``. If names in a
    Lightning checkpoint begin with ``net.``, only those are returned, without the prefix. Raises ``InputError`` for a
    missing, unreadable or damaged file, and for a file without a state dict.
    """
    if not path.is_file():
        raise InputError(f"weights file {str(path)!r} does not exist")
    if path.suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        # Callers read a model.cmp before, by its content.
        raise InputError(f"weights file {str(path)!r} has an unknown suffix; allowed: {allowed}, or a model.cmp")
    content = _read(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
        inner = {
            key.removeprefix("net."): value
            for key, value in content.items()
            if isinstance(key, str) and key.startswith("net.")
        }
        content = inner or content
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"weights file {str(path)!r} holds no state dict")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(f"weights file {str(path)!r} holds no state dict: {key!r} is not a tensor")
    return dict(content)


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = first_line(error)
        raise InputError(f"weights file {str(path)!r} cannot be read: {reason}") from error


def load_weights_(model: nn.Module, weights: Mapping[str, Tensor], *, source: str | Path) -> None:
    """Copy ``weights`` into ``model``.

    Raises ``InputError`` naming ``source`` and all keys that are missing, unexpected or of another shape.
    """
    expected = model.state_dict()
    weights = without_aliases(weights, model)
    # A file from torch before 0.4, or of an averaged model, has no batch counters. They do not affect any output.
    missing = [key for key in expected if key not in weights and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in weights if key not in expected]
    mismatched = [
        f"{key} {list(weights[key].shape)} where the model has {list(expected[key].shape)}"
        for key in expected
        if key in weights and weights[key].shape != expected[key].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": mismatched}
    problems = [f"{label}: {shorten(names, limit=3)}" for label, names in found.items() if names]
    if problems:
        raise InputError(f"weights of {str(source)!r} do not fit the model: {'; '.join(problems)}")
    model.load_state_dict(weights, strict=False)


@dataclass(frozen=True)
class Adapted:
    """Weights that fit a model: its own tensors where the file has none, the file's everywhere else.

    ``new`` names the tensors that stay the model's own, those of its head. ``summed`` names the weights that were
    summed over their input channels. Both are empty if the file fits as it is.
    """

    weights: Mapping[str, Tensor]
    new: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the weights are another network than the file's, so that they need training."""
        return bool(self.new or self.summed)


def adapt_weights(
    weights: Mapping[str, Tensor], model: nn.Module, *, head: Collection[str], other_classes: bool = False
) -> Adapted:
    """Return ``weights`` with the model's own head if that differs, and with the stem summed for grey images.

    ``head`` names the tensors of ``model`` whose shape depends on the number of classes. All of them stay the model's
    own if any is missing in ``weights`` or has another shape, or with ``other_classes``. A weight of 3 input channels
    becomes the sum over them where the model has one. Other differences stay, for ``load_weights_`` to refuse.
    """
    own = model.state_dict()
    given = dict(weights)
    new = tuple(name for name in own if name in head)
    if not other_classes and all(name in given and given[name].shape == own[name].shape for name in new):
        new = ()
    summed = tuple(
        name
        for name, value in own.items()
        if name in given and value.ndim == 4 and value.shape[1] == 1 and _has_three_inputs(given[name], value)
    )
    given |= {name: own[name] for name in new}
    given |= {name: sum_over_inputs(given[name]) for name in summed}
    return Adapted(given, new, summed)


def _has_three_inputs(given: Tensor, wanted: Tensor) -> bool:
    return given.shape == (wanted.shape[0], 3, *wanted.shape[2:])
