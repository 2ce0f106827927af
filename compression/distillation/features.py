"""Feature maps of layers inside a network: which exist, which to compare, and their capture during a run."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating

Shape = tuple[int, ...]


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """Return ``features: [B, C, H, W]`` averaged over, or repeated to, the height and width of ``like``."""
    return adaptive_avg_pool2d(features, (like.shape[2], like.shape[3]))


class FeatureTap:
    """A recorder of the outputs of ``layers`` in the last run of ``model``, until ``take`` or ``remove``.

    For a layer that runs more than once it keeps the last output. An in-place activation after a layer overwrites the
    layer's output; the recorded values are then those after the activation.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        self.layers = list(layers)
        self._outputs: dict[str, Tensor] = {}
        self._handles = [model.get_submodule(name).register_forward_hook(self._hook(name)) for name in self.layers]

    def _hook(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        outputs = self._outputs

        # A plain function: a deep copy of the model shares it. Copying the tensors of an autograd graph would fail.
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            del module, inputs
            outputs[name] = output

        return keep

    def take(self) -> list[Tensor]:
        """Return the recorded outputs in the order of ``layers``, and clear them."""
        taken = [self._outputs[name] for name in self.layers]
        self._outputs.clear()
        return taken

    def remove(self) -> None:
        """Remove the hooks from the model, and clear the recorded outputs."""
        self._outputs.clear()
        for handle in self._handles:
            handle.remove()


def feature_shapes(model: nn.Module, example: Tensor) -> dict[str, Shape]:
    """Return the shape ``[B, C, H, W]`` of each layer's feature map for ``example``, in the order in which layers end.

    Only layers whose output is a single feature map count; the model itself does not. Layers inside a module that reads
    tokens ``[B, N, C]`` do not count either: what attention computes there has four axes too. A container ends after
    the layers inside it.
    """
    shapes: dict[str, Shape] = {}
    # The modules that run, each with whether it reads tokens.
    running: list[bool] = []

    def start(inputs: tuple[object, ...]) -> None:
        [first, *_] = inputs or (None,)
        running.append(any(running[-1:]) or (isinstance(first, Tensor) and first.ndim != 4))

    def end(name: str, output: object) -> None:
        running.pop()
        inside = any(running[-1:])
        if isinstance(output, Tensor) and output.ndim == 4 and len(output) == len(example) and not inside:
            shapes.pop(name, None)
            shapes[name] = tuple(output.shape)

    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(lambda _module, inputs: start(inputs)))
            handles.append(module.register_forward_hook(lambda _module, _inputs, output, name=name: end(name, output)))
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def choose_attention_layers(student: Mapping[str, Shape], teacher: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Return pairs (student layer, teacher layer) for attention transfer.

    The candidates are the last layer of each resolution in both networks. They are paired from the end, so the numbers
    of resolutions may differ. Maps of one position are left out: their attention map has no information.
    """
    mine, theirs = (list(_last_of_resolutions(shapes).values()) for shapes in (student, teacher))
    return list(zip(mine[::-1], theirs[::-1], strict=False))[::-1]


def choose_hint_layers(student: Mapping[str, Shape], teacher: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Return one pair (student layer, teacher layer) for a hint, or an empty list if a network has no feature map.

    In each network this is the last layer whose map has more than one position, or else the last layer with a map.
    """
    if not student or not teacher:
        return []
    last = [[*shapes, *_last_of_resolutions(shapes).values()][-1] for shapes in (student, teacher)]
    return [(last[0], last[1])]


def check_layers(layers: Sequence[str], shapes: Mapping[str, Shape], *, key: str, model: str) -> None:
    """Raise ``InputError`` for the first of ``layers`` without an entry in ``shapes``.

    The error names the setting ``key``, the layer and the ``model``, and lists layers that have a feature map.
    """
    for name in layers:
        if name not in shapes:
            shown = ", ".join(list(_last_of_resolutions(shapes).values()) or list(shapes)[-4:]) or "none"
            raise InputError(
                f"{key}={name}: gives no feature map [B, C, H, W] in {model}; the last of each resolution: {shown}"
            )


def _last_of_resolutions(shapes: Mapping[str, Shape]) -> dict[Shape, str]:
    last: dict[Shape, str] = {}
    # Images are squares, and so are their maps. A map [B, H, W, C] does not look like one.
    square = {name: shape for name, shape in shapes.items() if shape[2] == shape[3]}
    for name, shape in (square or shapes).items():
        if shape[2] * shape[3] > 1:
            last.pop(shape[2:], None)
            last[shape[2:]] = name
    return last
