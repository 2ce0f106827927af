"""The artifact: one self-describing file that holds a compressed model."""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.core.adapted_network import keep_contiguous_
from compression.core.container import is_container, read_container, write_container
from compression.core.errors import ArtifactError, InputError, first_line
from compression.core.model_card import Architecture, ModelCard
from compression.core.preparation import Preparation
from compression.core.selection import device_of
from compression.core.tracing import trace
from compression.core.widths import fit_widths_
from compression.models.load_weights import read_state_dict
from compression.models.network_traits import accepts_channels_last
from compression.models.registry import build_model, is_built_in, is_own_family, without_download
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.integer_network import check_integer_state, integer_network
from compression.quantization.plan import Plan
from compression.storage.blocks import (
    MAX_DECODED_BYTES,
    Block,
    pack_state,
    table_from_json,
    table_to_json,
    unpack_state,
)
from compression.system.files import write_atomic

log = logging.getLogger(__name__)

SECTION = "tensors"
# The largest image height and width, in pixels, for which a compacted network is checked with real tensors.
MAX_CHECKED_SIZE = 512


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
        return _plan(self.card)

    @property
    def info(self) -> Mapping[str, Any]:
        """Free notes: strategy, sparsity, versions."""
        return self.card.info


@dataclass(frozen=True)
class Contents:
    """The contents of an artifact, read without building its model; no code of the architecture is needed."""

    card: ModelCard
    blocks: tuple[Block, ...]
    payload: bytes
    file_bytes: int

    @property
    def plan(self) -> Plan | None:
        """Bits and grids of a quantized network; None of one in floating point."""
        return _plan(self.card)

    @property
    def dense_bytes(self) -> int | None:
        """The bytes of the dense model from the notes in the file; None if the notes have no valid size."""
        noted = self.card.info.get("dense_bytes")
        return noted if type(noted) is int and 0 < noted < 1 << 63 else None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by name."""
        return {name: shape for block in self.blocks for name, shape in zip(block.names, block.shapes, strict=True)}

    def decode(self, *, max_bytes: int | None = MAX_DECODED_BYTES) -> dict[str, Tensor]:
        """Return the state dict on the CPU, bit for bit.

        Raises ArtifactError for damaged tensors, or if decoding takes more than ``max_bytes`` of memory.
        """
        return unpack_state(self.blocks, payload=self.payload, max_bytes=max_bytes)


def save_artifact(
    path: Path | str,
    model: nn.Module,
    *,
    architecture: Mapping[str, Any],
    class_names: Sequence[str],
    input: Mapping[str, Any],
    plan: Plan | None = None,
    codec: str = "auto",
    fold_bn: bool = False,
    info: Mapping[str, Any] | None = None,
) -> int:
    """Write every tensor of ``model.state_dict()`` losslessly to ``path`` and return the size of the file in bytes.

    - ``architecture``: {"target", "kwargs", "num_classes"}, the call that builds the model. With "compacted" true, the
      model has lost channels.
    - ``input``: {"size", "mean", "std"} of the input images; also "channels", "fit", "background", "value_range" where
      they differ from those of ``Preparation()``.
    - ``plan``: the plan of a quantized network; ``model`` is then the integer network.
    - ``codec``: auto, or a codec name of ``storage.codec_registry``.
    - ``fold_bn``: store a copy of ``model`` with batch norm folded into the layers before it. The copy is equivalent up
      to float rounding and smaller, but no longer trainable. A network that torch.fx cannot trace keeps its batch norm,
      and a log message says so. Quantized networks ignore this.
    - ``info``: free notes, any JSON.

    -0.0 is stored as 0.0. Equal arguments give equal bytes. The write is atomic: the file is complete or absent. Raises
    InputError for an unknown codec, for tensors that cannot be stored, and for notes that are not JSON.
    """
    graph = _fold(model) if fold_bn and plan is None else None
    model, folded = graph or model, graph is not None
    card = ModelCard.from_json(
        {
            "architecture": {**architecture, "kwargs": without_download(architecture["kwargs"]), "folded": folded},
            "class_names": list(class_names),
            "input": {**input, "mean": list(input["mean"]), "std": list(input["std"])},
            "info": dict(info or {}),
            "quantization": None if plan is None else plan.to_json(),
        }
    )
    blocks, payload = pack_state(model.state_dict(), codec=codec)
    try:
        data = write_container({**card.to_json(), SECTION: table_to_json(blocks)}, sections={SECTION: payload})
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"info and kwargs of an artifact must be JSON: {error}") from error
    write_atomic(path, data)
    return len(data)


def _fold(model: nn.Module) -> nn.Module | None:
    """Return a copy with batch norm folded; None without a batch norm to fold, or if the network cannot be traced."""
    try:
        graph = trace(model)
    except InputError as error:
        log.info("artifact  batch norm is not folded: %s", error)
        return None
    return graph if fold_batch_norms_(graph) else None


def read_contents(path: Path | str) -> Contents:
    """Return the contents of the artifact at ``path``, with verified checksums.

    Raises InputError for a missing file and ArtifactError for one that is damaged or not an artifact.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"artifact {str(path)!r} does not exist")
    header, sections = read_container(path)
    try:
        if set(sections) != {SECTION}:
            raise ArtifactError(f"damaged: sections {', '.join(sections)} where {SECTION} is expected")
        card = ModelCard.from_json(header)
        blocks = table_from_json(header.get(SECTION), payload_bytes=len(sections[SECTION]))
    except InputError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return Contents(card=card, blocks=tuple(blocks), payload=sections[SECTION], file_bytes=path.stat().st_size)


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
            model = _build_and_fill(contents, allow=allow, max_bytes=max_bytes)
            if contents.card.architecture.compacted:
                _check_widths(model, contents)
        else:
            if contents.card.quantization is not None:
                raise InputError(f"{path} holds integers, which cannot be loaded into a given float model")
            if contents.card.architecture.folded:
                raise InputError(
                    f"{path} has its batch norm folded, so it cannot be loaded into a given model; "
                    "allowed: a file written with storage.fold_bn=false"
                )
            _check_table(contents, model=_fit(model, contents))
            model.load_state_dict(_decode(contents, max_bytes=max_bytes))
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


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors by name from a state dict, a Lightning checkpoint or an artifact.

    Raises InputError for an artifact whose tensors do not fit the original architecture: one that is compacted,
    quantized, or stored with batch norm folded.
    """
    path = Path(path)
    if path.is_file() and is_container(path):
        contents = read_contents(path)
        if contents.card.architecture.compacted:
            raise InputError(
                f"{path} lacks channels of its architecture; allowed: a file of a network with all channels"
            )
        if contents.card.quantization is not None:
            raise InputError(f"{path} holds integers; allowed: a file of a network in floating point")
        if contents.card.architecture.folded:
            raise InputError(f"{path} has its batch norm folded; allowed: a file written with storage.fold_bn=false")
        return contents.decode()
    return read_state_dict(path)


def _build_and_fill(contents: Contents, *, allow: Sequence[str], max_bytes: int | None) -> nn.Module:
    architecture = contents.card.architecture
    if not is_built_in(architecture.target):
        model = _fit(_build(architecture, allow=allow, device="cpu", example=_example(contents)), contents)
        _check_table(contents, model=model)
        model.load_state_dict(_decode(contents, max_bytes=max_bytes))
        return _in_its_format(model, contents)

    channels = architecture.kwargs.get("in_channels", 3)
    if channels != contents.card.input.channels:
        raise ArtifactError(f"damaged: a network of {channels} channels for {contents.card.input.channels} of an image")
    # The model is first built on the meta device, so that a hostile file cannot allocate more than its own tensors.
    try:
        model = _build(architecture, allow=(), device="meta")
    except InputError as error:
        raise ArtifactError(str(error)) from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"{architecture.target} cannot be built: {first_line(error)}") from error
    model = _fit(model, contents)
    _check_table(contents, model=model)
    model.load_state_dict(_decode(contents, max_bytes=max_bytes), assign=True)
    if any(tensor.is_meta for tensor in model.buffers()):
        # Buffers that are computed and not stored need a model that was built on a real device.
        model = _fit(_build(architecture, allow=(), device="cpu"), contents)
        model.load_state_dict(_decode(contents, max_bytes=max_bytes))
    return model if is_own_family(architecture.target) else _in_its_format(model, contents)


def _example(contents: Contents) -> Tensor:
    """Return one black image, ``[1, C, H, W]``, of at most ``MAX_CHECKED_SIZE`` pixels each way."""
    card = contents.card.input
    size = min(card.size, MAX_CHECKED_SIZE)
    return torch.zeros(1, card.channels, size, size)


def _in_its_format(model: nn.Module, contents: Contents) -> nn.Module:
    """Return ``model``, which then also runs on images in channels_last memory. Traced networks always do."""
    if not isinstance(model, fx.GraphModule) and not accepts_channels_last(model, _example(contents)):
        keep_contiguous_(model)
    return model


def _decode(contents: Contents, *, max_bytes: int | None) -> dict[str, Tensor]:
    """Return the tensors by name; raises ArtifactError if they are damaged or integers lie outside the plan's grids."""
    state, plan = contents.decode(max_bytes=max_bytes), contents.plan
    if plan is not None:
        try:
            check_integer_state(state, plan)
        except InputError as error:
            raise ArtifactError(f"damaged: {error}") from error
    return state


def _fit(model: nn.Module, contents: Contents) -> nn.Module:
    """Return ``model`` with the structure of the file: fewer channels, integer layers, folded batch norm.

    Raises ArtifactError if that is not possible. Tensors are not loaded yet.
    """
    if contents.card.architecture.compacted:
        try:
            fit_widths_(model, contents.shapes)
        except InputError as error:
            raise ArtifactError(f"damaged: {error}") from error
    plan = _plan(contents.card)
    try:
        if plan is not None:
            return integer_network(trace(model), plan)
        if contents.card.architecture.folded:
            model = trace(model)
            fold_batch_norms_(model, values=False)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error
    return model


def _plan(card: ModelCard) -> Plan | None:
    if card.quantization is None:
        return None
    try:
        return Plan.from_json(card.quantization)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error


def _check_widths(model: nn.Module, contents: Contents) -> None:
    """Run a compacted network once, which is the only test that its layers fit each other.

    Raises ArtifactError if they do not, or if the logits have another shape than ``[1, num_classes]``.
    """
    size, channels, num_classes = (
        contents.card.input.size,
        contents.card.input.channels,
        contents.card.architecture.num_classes,
    )
    if size > MAX_CHECKED_SIZE:
        # On the meta device only shapes are computed, so a file cannot require the memory of a huge image. Images of
        # usual size use real tensors, which is faster.
        model = copy.deepcopy(model).to("meta")
    try:
        with torch.inference_mode():
            logits = model.eval()(torch.zeros(1, channels, size, size, device=device_of(model)))
    except (RuntimeError, ValueError) as error:
        raise ArtifactError(f"damaged: its layers do not fit each other: {first_line(error)}") from error
    if logits.shape != (1, num_classes):
        raise ArtifactError(f"damaged: logits of shape {list(logits.shape)} for {num_classes} classes")


def _build(
    architecture: Architecture, *, allow: Sequence[str], device: str, example: Tensor | None = None
) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.device(device):
        return build_model(
            architecture.target,
            num_classes=architecture.num_classes,
            kwargs=without_download(architecture.kwargs),
            allow=allow,
            example=example,
        )


def _check_table(contents: Contents, *, model: nn.Module) -> None:
    expected = {name: (tuple(t.shape), t.dtype) for name, t in model.state_dict().items()}
    dtypes = {name: block.dtype for block in contents.blocks for name in block.names}
    stored = {name: (shape, dtypes[name]) for name, shape in contents.shapes.items()}
    for name in (*expected, *stored):
        if expected.get(name) != stored.get(name):
            raise ArtifactError(
                f"does not fit its architecture: {name} is {_show(stored.get(name))} in the file and "
                f"{_show(expected.get(name))} in the model"
            )


def _show(kind: tuple[tuple[int, ...], torch.dtype] | None) -> str:
    return "absent" if kind is None else f"{kind[1]} {list(kind[0])}".removeprefix("torch.")
