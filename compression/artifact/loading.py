"""Loading an artifact: its model, and everything that the file says about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from compression.artifact.contents import plan_of, read_contents
from compression.artifact.filling import build_filled, fill_
from compression.core.errors import ArtifactError, InputError
from compression.core.model_card import ModelCard
from compression.core.preparation import Preparation
from compression.quantization.plan import Plan
from compression.storage.blocks import MAX_DECODED_BYTES, Block


@dataclass(frozen=True)
class Artifact:
    """A loaded artifact: the model in evaluation mode, its model card, and how each tensor is stored."""

    model: nn.Module
    card: ModelCard
    blocks: tuple[Block, ...]
    file_bytes: int

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits."""
        return tuple(self.card.class_names)

    @property
    def image_size(self) -> int:
        """Height and width of an input image, in pixels."""
        return self.card.input.size

    @property
    def channels(self) -> int:
        """The number of channels of an input image: 3 for RGB, 1 for grey."""
        return self.card.input.channels

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes the pixels of an input image."""
        return self.card.input.preparation

    @property
    def mean(self) -> tuple[float, ...]:
        """The value to subtract from each channel of an image in [0, 1]."""
        return tuple(self.card.input.mean)

    @property
    def std(self) -> tuple[float, ...]:
        """The value by which each channel is divided after the mean was subtracted."""
        return tuple(self.card.input.std)

    @property
    def plan(self) -> Plan | None:
        """Bits and grids of a quantized network; None of one in floating point."""
        return plan_of(self.card)

    @property
    def info(self) -> Mapping[str, Any]:
        """Free notes: strategy, sparsity, versions."""
        return self.card.info


def load_artifact(
    path: Path | str,
    *,
    model: nn.Module | None = None,
    allow: Sequence[str] = (),
    max_bytes: int | None = MAX_DECODED_BYTES,
) -> Artifact:
    """Return the model of an artifact, in evaluation mode on the CPU, with everything that the file says about it.

    Only code of this package runs, unless ``allow`` names a package from which the architecture may be imported. A
    given ``model`` is filled in place instead, on its device, and loses the channels that the file does not have.
    ``max_bytes`` limits the memory of the tensors, because a small file can hold huge ones; None means no limit. Raises
    InputError or ArtifactError if the file does not fit the architecture. Weights of a built-in architecture are
    allocated only after this check.
    """
    contents = read_contents(path)
    try:
        if model is None:
            model = build_filled(contents, allow=allow, max_bytes=max_bytes)
        else:
            if contents.card.quantization is not None:
                raise InputError(f"{path} holds integers, which cannot be loaded into a given float model")
            if contents.card.architecture.folded:
                raise InputError(
                    f"{path} has its batch norm folded, so it cannot be loaded into a given model; "
                    "allowed: a file written with storage.fold_bn=false"
                )
            model = fill_(model, contents, max_bytes=max_bytes)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return Artifact(model=model.eval(), card=contents.card, blocks=contents.blocks, file_bytes=contents.file_bytes)


def load(
    path: Path | str,
    *,
    model: nn.Module | None = None,
    allow: Sequence[str] = (),
    max_bytes: int | None = MAX_DECODED_BYTES,
) -> nn.Module:
    """Return only the model of an artifact, in evaluation mode on the CPU; see `load_artifact`."""
    return load_artifact(path, model=model, allow=allow, max_bytes=max_bytes).model
