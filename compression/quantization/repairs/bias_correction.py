"""Bias correction: biases compensate the shift of channel means that rounding causes (arXiv:1906.04721, 4.2)."""

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.quantization.network import graph as ops
from compression.quantization.network.fake_layers import ActivationQuantizer, FakeQuantWeight
from compression.quantization.network.layerwise import Layer, LayerWalk, layer_nodes, layer_of


@torch.no_grad()
def correct_biases_(
    prepared: fx.GraphModule,
    reference: fx.GraphModule,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    num_batches: int,
    max_bytes: int | None = None,
) -> list[str]:
    """Correct the biases of the rounding layers of ``prepared``; return the names of layers that got a new bias.

    Each output channel gets ``b += E[y_reference] - E[y_prepared]``: y is the output of the layer, and E is the mean
    over images and positions. The first ``num_batches`` of ``batches`` are used: (images ``[B, C, H, W]``, labels) of
    training images. Layers are corrected in the order of execution, so each layer sees earlier layers corrected. A
    layer that is called more than once does not change.

    ``reference`` is the float network with the same layer names. Batch norm must be folded in both networks, and
    activations must have their scales. The cost is about one run of ``reference`` and two runs of ``prepared``. The
    images are held in memory, and up to ``max_bytes`` of activations between layers (see ``LayerWalk``). Raises
    ``InputError`` for ``num_batches`` below 1, or if there is no batch.
    """
    if num_batches < 1:
        raise InputError(f"num_batches={num_batches}: must be at least 1")
    images = [images for images, _ in islice(batches, num_batches)]
    if not images:
        raise InputError("bias correction needs at least one batch of training images")
    check_ready(prepared, reference)
    nodes = {name: node for name, node in rounding_nodes(prepared).items() if name in layer_nodes(reference)}
    created: list[str] = []
    with evaluating(prepared), evaluating(reference):
        wanted = _output_means(reference, nodes, images)
        walk = LayerWalk(prepared, images, max_bytes=max_bytes)
        for name, node in nodes.items():
            layer = layer_of(prepared, name)
            found = _ChannelMean(layer)
            for values in walk.inputs(node):
                found.add(layer(values))
            if layer.bias is None:
                layer.bias = nn.Parameter(layer.weight.new_zeros(layer.weight.shape[0]))
                created.append(name)
            layer.bias.add_((wanted[name].mean - found.mean).to(layer.bias.dtype))
    return created


def rounding_nodes(prepared: fx.GraphModule) -> dict[str, fx.Node]:
    """Return the node that calls each layer with rounded weights, in the order of execution.

    Layers that are called more than once are left out.
    """
    nodes = layer_nodes(prepared)
    return {name: node for name, node in nodes.items() if isinstance(prepared.get_submodule(name), FakeQuantWeight)}


def check_ready(prepared: fx.GraphModule, reference: fx.GraphModule) -> None:
    """Assert that batch norm is folded in both networks, and that all activations of ``prepared`` have scales."""
    for graph in (prepared, reference):
        assert not ops.foldable_norms(graph), f"batch norm not folded: {ops.foldable_norms(graph)}"
    for module in prepared.modules():
        assert not isinstance(module, ActivationQuantizer) or module.observer is None, f"{module.name} has no scale yet"


class _ChannelMean:
    def __init__(self, layer: Layer) -> None:
        self._axis = -1 if isinstance(layer, nn.Linear) else 1
        self._sum: Tensor | float = 0.0
        self._count = 0

    def add(self, output: Tensor) -> None:
        channels = output.movedim(self._axis, 0).flatten(1)
        self._sum = self._sum + channels.sum(dim=1, dtype=torch.float64)
        self._count += channels.shape[1]

    @property
    def mean(self) -> Tensor:
        assert isinstance(self._sum, Tensor)
        return self._sum / self._count


def _output_means(
    reference: fx.GraphModule, names: Iterable[str], images: Iterable[Tensor]
) -> Mapping[str, _ChannelMean]:
    means = {name: _ChannelMean(layer_of(reference, name)) for name in names}

    def add(mean: _ChannelMean, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        mean.add(output)

    hooks = [reference.get_submodule(name).register_forward_hook(partial(add, mean)) for name, mean in means.items()]
    try:
        for batch in images:
            reference(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return means
