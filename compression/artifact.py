"""The artifact: one self-describing file a compressed model is shipped as."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compression.core.container import is_container, read_container, write_container
from compression.core.errors import ArtifactError, InputError
from compression.core.files import write_atomic
from compression.core.model_card import Architecture, InputSpec, ModelCard
from compression.core.selection import device_of
from compression.core.widths import fit_widths_
from compression.models.registry import build_model, is_built_in
from compression.models.weights import read_state_dict
from compression.quantization.graph import trace
from compression.quantization.integer_network import integer_network
from compression.quantization.plan import Plan
from compression.storage.tensors import (
    TensorRecord,
    pack_tensors,
    table_from_json,
    table_to_json,
    unpack_tensors,
)

SECTION = "tensors"
# Pixels a side: up to here a compacted network is run once when it is opened.
MAX_CHECKED_SIZE = 512


@dataclass(frozen=True)
class Artifact:
    """A loaded artifact: the model in eval mode, what the file says of it, and how each tensor is stored."""

    model: nn.Module
    card: ModelCard
    tensors: tuple[TensorRecord, ...]
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
    def mean(self) -> tuple[float, ...]:
        """What is taken from each channel of an image in [0, 1]."""
        return tuple(self.card.input.mean)

    @property
    def std(self) -> tuple[float, ...]:
        """What each channel is then divided by."""
        return tuple(self.card.input.std)

    @property
    def plan(self) -> Plan | None:
        """Bits and grids of a quantized network; None of one in floating point."""
        return _plan(self.card)

    @property
    def info(self) -> Mapping[str, Any]:
        """Free notes: strategy, sparsity, versions."""
        return self.card.info


@dataclass(frozen=True)
class Contents:
    """An artifact read without building its model: no code of the architecture is needed."""

    card: ModelCard
    tensors: tuple[TensorRecord, ...]
    payload: bytes
    file_bytes: int

    def decode(self) -> dict[str, Tensor]:
        """Return the state dict on the CPU, bit for bit; raises ArtifactError."""
        return unpack_tensors(self.tensors, payload=self.payload)


def save_artifact(
    path: Path | str,
    model: nn.Module,
    *,
    architecture: Mapping[str, Any],
    class_names: Sequence[str],
    input: Mapping[str, Any],
    plan: Plan | None = None,
    codec: str = "auto",
    info: Mapping[str, Any] | None = None,
) -> int:
    """Write every tensor of ``model.state_dict()`` to ``path``, losslessly, and return the file's bytes.

    ``architecture``: {"target", "kwargs", "num_classes"}, the call that builds the model, and "compacted" if channels
    of it are gone. ``plan``: of a quantized network, which ``model`` then is. ``input``: {"size", "mean", "std"}.
    ``codec``: auto, or one of ``storage.registry``. ``info``: anything that is JSON. -0.0 becomes 0.0. The same
    arguments give the same bytes; the file appears whole or not at all. Raises InputError.
    """
    card = ModelCard(
        architecture=Architecture(**{**architecture, "kwargs": _without_download(architecture["kwargs"])}),
        class_names=list(class_names),
        input=InputSpec(**{**input, "mean": list(input["mean"]), "std": list(input["std"])}),
        info=dict(info or {}),
        quantization=None if plan is None else plan.to_json(),
    )
    records, payload = pack_tensors(model.state_dict(), codec=codec)
    try:
        data = write_container({**card.to_json(), SECTION: table_to_json(records)}, sections={SECTION: payload})
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"info and kwargs of an artifact must be JSON: {error}") from error
    write_atomic(path, data)
    return len(data)


def read_contents(path: Path | str) -> Contents:
    """Return what stands in the file, checksums verified; raises InputError or ArtifactError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"artifact {str(path)!r} does not exist")
    header, sections = read_container(path)
    try:
        if set(sections) != {SECTION}:
            raise ArtifactError(f"damaged: sections {', '.join(sections)} where {SECTION} is expected")
        card = ModelCard.from_json(header)
        records = table_from_json(header.get(SECTION), payload_bytes=len(sections[SECTION]))
    except InputError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return Contents(card=card, tensors=tuple(records), payload=sections[SECTION], file_bytes=path.stat().st_size)


def load_artifact(path: Path | str, *, model: nn.Module | None = None, allow: Sequence[str] = ()) -> Artifact:
    """Return the model of an artifact, in eval mode on the CPU, and all that the file says of it.

    Runs no code but this package's, unless ``allow`` names a package from which the architecture may be
    imported. A ``model`` given is filled in place instead, on its own device, and loses the channels that the file
    lacks. Raises InputError or
    ArtifactError before any weight is allocated when the file and the architecture differ.
    """
    contents = read_contents(path)
    try:
        if model is None:
            model = _build_and_fill(contents, allow=allow)
            if contents.card.architecture.compacted:
                _check_widths(model, contents)
        else:
            if contents.card.quantization is not None:
                raise InputError(f"{path} holds integers, which no given model of floats can be filled with")
            _check_table(contents.tensors, model=_fit(model, contents))
            model.load_state_dict(contents.decode())
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return Artifact(model=model.eval(), card=contents.card, tensors=contents.tensors, file_bytes=contents.file_bytes)


def load(path: Path | str, *, model: nn.Module | None = None, allow: Sequence[str] = ()) -> nn.Module:
    """Return the model of an artifact, in eval mode on the CPU: `load_artifact` without the rest."""
    return load_artifact(path, model=model, allow=allow).model


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors of a state dict, of a Lightning checkpoint or of an artifact; raises InputError."""
    path = Path(path)
    if path.is_file() and is_container(path):
        contents = read_contents(path)
        if contents.card.architecture.compacted:
            raise InputError(
                f"{path} lacks channels of its architecture; allowed: a file of a network that has them all"
            )
        if contents.card.quantization is not None:
            raise InputError(f"{path} holds integers; allowed: a file of a network in floating point")
        return contents.decode()
    return read_state_dict(path)


def _build_and_fill(contents: Contents, *, allow: Sequence[str]) -> nn.Module:
    architecture = contents.card.architecture
    if not is_built_in(architecture.target):
        model = _fit(_build(architecture, allow=allow, device="cpu"), contents)
        _check_table(contents.tensors, model=model)
        model.load_state_dict(contents.decode())
        return model

    # Built without storage first: a hostile file cannot make us allocate more than its own tensors.
    try:
        model = _build(architecture, allow=(), device="meta")
    except InputError as error:
        raise ArtifactError(str(error)) from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"{architecture.target} cannot be built: {str(error).splitlines()[0]}") from error
    model = _fit(model, contents)
    _check_table(contents.tensors, model=model)
    model.load_state_dict(contents.decode(), assign=True)
    if any(tensor.is_meta for tensor in model.buffers()):
        # Buffers that are computed, not stored, need a model with storage.
        model = _fit(_build(architecture, allow=(), device="cpu"), contents)
        model.load_state_dict(contents.decode())
    return model


def _fit(model: nn.Module, contents: Contents) -> nn.Module:
    """Give ``model`` the channels of a compacted network, and integers; raises ArtifactError where that cannot be."""
    if contents.card.architecture.compacted:
        try:
            fit_widths_(model, {record.name: record.shape for record in contents.tensors})
        except InputError as error:
            raise ArtifactError(f"damaged: {error}") from error
    plan = _plan(contents.card)
    if plan is None:
        return model
    try:
        return integer_network(trace(model), plan)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error


def _plan(card: ModelCard) -> Plan | None:
    if card.quantization is None:
        return None
    try:
        return Plan.from_json(card.quantization)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error


def _check_widths(model: nn.Module, contents: Contents) -> None:
    """Run a compacted network once: only that shows that its layers fit each other."""
    size, num_classes = contents.card.input.size, contents.card.architecture.num_classes
    if size > MAX_CHECKED_SIZE:
        # Shapes alone: a file must not be able to ask for the memory of a huge image. Slower for a usual one.
        model = copy.deepcopy(model).to("meta")
    try:
        with torch.inference_mode():
            logits = model.eval()(torch.zeros(1, 3, size, size, device=device_of(model)))
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"damaged: its layers do not fit each other: {str(error).splitlines()[0]}") from error
    if logits.shape != (1, num_classes):
        raise ArtifactError(f"damaged: logits of shape {list(logits.shape)} for {num_classes} classes")


def _build(architecture: Architecture, *, allow: Sequence[str], device: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return build_model(
            architecture.target,
            num_classes=architecture.num_classes,
            kwargs=_without_download(architecture.kwargs),
            allow=allow,
        )


def _without_download(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: False if key == "pretrained" else value for key, value in kwargs.items()}


def _check_table(records: Sequence[TensorRecord], *, model: nn.Module) -> None:
    expected = {name: (tuple(t.shape), t.dtype) for name, t in model.state_dict().items()}
    stored = {record.name: (record.shape, record.dtype) for record in records}
    for name in (*expected, *stored):
        if expected.get(name) != stored.get(name):
            raise ArtifactError(
                f"does not fit its architecture: {name} is {_show(stored.get(name))} in the file and "
                f"{_show(expected.get(name))} in the model"
            )


def _show(kind: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return "absent" if kind is None else f"{kind[1]} {list(kind[0])}".removeprefix("torch.")
