"""From the contents of an artifact to its network: it is built, checked against the file, and filled."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from compression.artifact.contents import Contents
from compression.core.adapted_network import keep_contiguous_
from compression.core.errors import ArtifactError, InputError, first_line
from compression.core.model_card import Architecture
from compression.core.selection import device_of
from compression.core.tracing import trace
from compression.core.widths import fit_widths_
from compression.models.network_traits import accepts_channels_last
from compression.models.registry import build_model, is_built_in, is_own_family, without_download
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.integer_network import check_integer_state, integer_network
from compression.quantization.network.stored_vectors import stored_types

# The largest image height and width, in pixels, for which a compacted network is checked with real tensors.
MAX_CHECKED_SIZE = 512


def build_filled(contents: Contents, *, allow: Sequence[str], max_bytes: int | None) -> nn.Module:
    """Return the network of the file with its tensors, on the CPU; see `load_artifact`.

    Raises InputError for an architecture that is not allowed, and ArtifactError if the tensors do not fit it.
    """
    model = _build_and_fill(contents, allow=allow, max_bytes=max_bytes)
    if contents.card.architecture.compacted:
        _check_widths(model, contents)
    return model


def fill_(model: nn.Module, contents: Contents, *, max_bytes: int | None) -> nn.Module:
    """Return ``model`` with the structure and the tensors of the file. Raises ArtifactError if they do not fit it.

    A model that loses channels is changed in place. Integer layers and a folded batch norm need another module.
    """
    model = _fit(model, contents)
    _check_table(contents, model=model)
    model.load_state_dict(_decode(contents, max_bytes=max_bytes))
    return model


def _build_and_fill(contents: Contents, *, allow: Sequence[str], max_bytes: int | None) -> nn.Module:
    architecture = contents.card.architecture
    if not is_built_in(architecture.target):
        model = _build(architecture, allow=allow, device="cpu", example=_example(contents))
        return _in_its_format(fill_(model, contents, max_bytes=max_bytes), contents)

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
    state, plan = contents.decode_state(max_bytes=max_bytes), contents.plan
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
    plan = contents.plan
    try:
        if plan is not None:
            return integer_network(trace(model), plan)
        if contents.card.architecture.folded:
            model = trace(model)
            fold_batch_norms_(model, values=False)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error
    return model


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
    if contents.plan is not None:
        expected = stored_types(expected, contents.plan)
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
