"""Counts of a model: parameters, zeros, sparsity and multiply-accumulates (MACs)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.hooks import RemovableHandle

from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE, HoldsIntegers, device_of, layer_weights, learned_values


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters. Integer weights and their scales count as parameters."""
    return sum(value.numel() for value in learned_values(model))


def count_nonzero_parameters(model: nn.Module) -> int:
    """Return the number of parameters that are not exactly zero, counted as in ``count_parameters``."""
    return sum(int(value.count_nonzero()) for value in learned_values(model))


def count_macs(model: nn.Module, image_size: int, *, channels: int = 3) -> int:
    """Return the MACs for one image of ``image_size`` x ``image_size`` pixels with ``channels`` values each.

    Zero weights count like any other, because an engine for dense networks computes them too.
    """
    with _countable(model), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, channels, image_size, image_size, device=device_of(model)))
    return int(counter.get_total_flops()) // 2


@contextmanager
def _countable(model: nn.Module) -> Iterator[None]:
    """Let ``model`` run inside the ``with`` block in operations that can be counted: in evaluation, unfused."""
    fused = torch.backends.mha.get_fastpath_enabled()
    # The counter knows no fused operation of attention layers.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with evaluating(model), _without_gradients(model), torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@contextmanager
def _without_gradients(model: nn.Module) -> Iterator[None]:
    """Freeze all parameters inside the ``with`` block."""
    # The counter follows modules back from inputs that need a gradient, and fails on parameters that are such inputs.
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trained:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def count_nonzero_macs(model: nn.Module, image_size: int, *, channels: int = 3) -> int:
    """Return the MACs for one image without those of convolution and linear weights that are zero.

    This is the work left for an engine that skips zeros. ``image_size`` is in pixels.
    """
    skipped = 0
    example = torch.zeros(1, channels, image_size, image_size, device=device_of(model))
    for name, macs in layer_macs(model, example).items():
        # By layer, because a weight that two layers share has one name only.
        weight = model.get_submodule(name.rpartition(".")[0]).weight
        assert isinstance(weight, Tensor)
        skipped += macs // weight.numel() * (weight.numel() - int(weight.count_nonzero()))
    return count_macs(model, image_size, channels=channels) - skipped


def count_layer_weights(model: nn.Module) -> dict[str, int]:
    """Return the number of values, zeros included, of each convolution and linear weight, by name."""
    return {name: weight.numel() for name, weight in layer_weights(model).items()}


def layer_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> dict[str, float]:
    """Return the fraction (0 to 1) of each prunable weight that is zero or has been removed, by name.

    ``dense`` is ``count_layer_weights`` of the model before channels were removed. By default it is counted on
    ``model`` itself.
    """
    dense = dense or count_layer_weights(model)
    return {name: 1 - num_kept / dense[name] for name, num_kept in _count_kept(model, dense).items()}


def model_sparsity(model: nn.Module, dense: Mapping[str, int] | None = None) -> float:
    """Return the fraction (0 to 1) of all prunable weights that are zero or removed; see ``layer_sparsity``."""
    dense = dense or count_layer_weights(model)
    kept = _count_kept(model, dense)
    total = sum(dense[name] for name in kept)
    return 1 - sum(kept.values()) / total if total else 0.0


def _count_kept(model: nn.Module, names: Iterable[str]) -> dict[str, int]:
    """Return the number of values other than zero in each weight of ``names``.

    Layers that never run are left out: a traced network does not have them.
    """
    # A traced network may list the names of a shared weight in another order.
    every = dict(model.named_parameters(remove_duplicate=False)) | layer_weights(model)
    return {name: int(every[name].count_nonzero()) for name in names if name in every}


def layer_macs(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Return the MACs for one image by convolution and linear weight, under the names of ``prunable_weights``.

    ``example: [B, C, H, W]`` is an input of ``model``, whose first image is used. The layers are in the order in which
    they ran; a layer that ran several times counts at its last run. A network may also use the weight of a layer
    without calling the layer, as attention does.
    """
    with _countable(model), _LayerCounter(model) as counter:
        model(example[:1])
    return counter.macs


class _LayerCounter(TorchDispatchMode):
    """Counts the MACs of each layer: of calls of its module, and of operations with its weight outside such calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.macs: dict[str, int] = {}
        self._layers = {
            name: module for name, module in model.named_modules() if isinstance(module, (*PRUNABLE, HoldsIntegers))
        }
        # Views of a weight, such as its transpose, have its storage. A weight that is computed at each use has none.
        weights = {name: layer._parameters.get("weight") for name, layer in reversed(self._layers.items())}
        self._owners = {_place(weight): name for name, weight in weights.items() if weight is not None}
        self._num_called = 0
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        for name, layer in self._layers.items():
            self._handles += [
                layer.register_forward_pre_hook(lambda *_: self._enter_layer()),
                layer.register_forward_hook(lambda layer, _, output, name=name: self._leave_layer(name, layer, output)),
            ]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for handle in self._handles:
            handle.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count it if it multiplies by the weight of a layer that is not being called."""
        output = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None and not self._num_called:
            places = [_place(value) for value in args if isinstance(value, Tensor)]
            for name in dict.fromkeys(self._owners[place] for place in places if place in self._owners):
                self._add(name, int(formula(*args, **(kwargs or {}), out_val=output)) // 2)
        return output

    def _enter_layer(self) -> None:
        self._num_called += 1

    def _leave_layer(self, name: str, layer: nn.Module, output: Tensor) -> None:
        self._num_called -= 1
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # Each weight is used once at every position of the output.
        self._add(name, output.numel() // weight.shape[0] * weight.numel())

    def _add(self, name: str, macs: int) -> None:
        # Empty is the name of a layer that is the whole model.
        key = f"{name}.weight".removeprefix(".")
        self.macs[key] = self.macs.pop(key, 0) + macs


def _place(tensor: Tensor) -> int:
    # Not the address of the values, which tensors on the meta device do not have.
    return tensor.untyped_storage()._cdata
