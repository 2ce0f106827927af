"""What layers inside a network give: found, chosen, and captured while it runs."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating

Shape = tuple[int, ...]


def resize_to(features: Tensor, like: Tensor) -> Tensor:
    """Return ``[B, C, H, W]`` averaged over, or repeated to, the height and width of ``like``."""
    return adaptive_avg_pool2d(features, (like.shape[2], like.shape[3]))


class FeatureTap:
    """Keeps what ``layers`` of ``model`` gave in its last run, until ``take`` or ``remove``.

    A layer that runs more than once gives its last output. An activation that works in place changes what the layer
    before it gave, so that is read behind the activation.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        self.layers = list(layers)
        self._outputs: dict[str, Tensor] = {}
        self._handles = [model.get_submodule(name).register_forward_hook(self._hook(name)) for name in self.layers]

    def _hook(self, name: str) -> Callable[[nn.Module, object, Tensor], None]:
        outputs = self._outputs

        # A plain function: a copy of the model shares it instead of copying the tensors of a graph, which fails.
        def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
            del module, inputs
            outputs[name] = output

        return keep

    def take(self) -> list[Tensor]:
        """Return the outputs in the order of ``layers``, and forget them."""
        taken = [self._outputs[name] for name in self.layers]
        self._outputs.clear()
        return taken

    def remove(self) -> None:
        """Leave the model as it was."""
        self._outputs.clear()
        for handle in self._handles:
            handle.remove()


def feature_shapes(model: nn.Module, example: Tensor) -> dict[str, Shape]:
    """Return the shape ``[B, C, H, W]`` that each layer of ``model`` gives for ``example``, in the order they end.

    Only layers that give one feature map; the whole model is none. Of a layer and the one around it, which give the
    same, the outer ends last.
    """
    shapes: dict[str, Shape] = {}

    def note(name: str, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            shapes.pop(name, None)
            shapes[name] = tuple(output.shape)

    handles = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def choose_attention_layers(student: Mapping[str, Shape], teacher: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Return pairs (student layer, teacher layer): the last of each resolution, matched by number from the end.

    Resolutions of one position are left out: where they look is no question.
    """
    mine, theirs = (list(_last_of_resolutions(shapes).values()) for shapes in (student, teacher))
    return list(zip(mine[::-1], theirs[::-1], strict=False))[::-1]


def choose_hint_layers(student: Mapping[str, Shape], teacher: Mapping[str, Shape]) -> list[tuple[str, str]]:
    """Return one pair: the last feature map of each, with more than one position where there is such a map."""
    if not student or not teacher:
        return []
    last = [[*shapes, *_last_of_resolutions(shapes).values()][-1] for shapes in (student, teacher)]
    return [(last[0], last[1])]


def check_layers(layers: Sequence[str], shapes: Mapping[str, Shape], *, key: str, model: str) -> None:
    """Raise ``InputError`` naming ``key`` and the layer of ``layers`` that gives no feature map in ``model``."""
    for name in layers:
        if name not in shapes:
            shown = ", ".join(list(_last_of_resolutions(shapes).values()) or list(shapes)[-4:]) or "none"
            raise InputError(
                f"{key}={name}: gives no feature map [B, C, H, W] in {model}; the last of each resolution: {shown}"
            )


def _last_of_resolutions(shapes: Mapping[str, Shape]) -> dict[Shape, str]:
    last: dict[Shape, str] = {}
    for name, shape in shapes.items():
        if shape[2] * shape[3] > 1:
            last.pop(shape[2:], None)
            last[shape[2:]] = name
    return last
