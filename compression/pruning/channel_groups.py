"""Groups of coupled channels, which can only be removed together (DepGraph, arXiv:2301.12900).

Residual sums, depthwise convolutions and concatenations couple channels. The dependency graph of Torch-Pruning finds
the groups.
"""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.counting import layer_macs
from compression.core.errors import InputError, first_line
from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE
from compression.core.text import shorten
from compression.pruning.channel_reshapes import find_channel_reshapes

if TYPE_CHECKING:
    import torch_pruning


@dataclass(frozen=True)
class Coupling:
    """One dimension of a parameter that loses indices when channels of a group are removed.

    ``channel`` is int64, with one entry per index of the dimension: the group's channel at this index, or -1 if the
    index does not belong to the group.
    """

    parameter: str
    dim: int
    channel: Tensor


@dataclass(frozen=True)
class ChannelGroup:
    """Channels ``0 .. num_channels - 1`` that can only be removed together, with all parameters they belong to.

    ``name`` is the first layer that makes the channels. ``outputs`` are the parameters that make and normalize them;
    ``inputs`` are the weights that read them.
    """

    name: str
    num_channels: int
    outputs: tuple[Coupling, ...]
    inputs: tuple[Coupling, ...]

    @property
    def couplings(self) -> tuple[Coupling, ...]:
        """All couplings, outputs first."""
        return self.outputs + self.inputs


def find_channel_groups(model: nn.Module, example: Tensor) -> list[ChannelGroup]:
    """Return the groups of channels that can be removed, in the model's order.

    ``example: [B, C, H, W]`` is an input of ``model``. The logits, and channels around a grouped convolution that is
    not depthwise, cannot be removed and are left out. Raises ``InputError``, naming the layer if possible, for a model
    whose channels cannot be removed safely, or that reshapes or shuffles them.
    """
    refuse_unsafe(model)
    # The layer that runs last makes the logits.
    head = _owner(list(layer_macs(model, example))[-1])
    positions = {name: index for index, (name, _) in enumerate(model.named_modules())}
    try:
        found = [group for group in build_dependency_graph(model, example).get_all_groups() if not _has_grouped(group)]
        groups = [_read(model, group) for group in found]
    except Exception as error:
        # The graph of Torch-Pruning fails in many ways on operations that it does not know.
        reason = first_line(error)
        if reshaped := find_channel_reshapes(model, example):
            reason = (
                f"it reshapes or shuffles them after layer {shorten(reshaped, limit=3)}; only its single weights can "
                "be pruned, as with strategy=iterative_l1"
            )
        raise InputError(f"channels of this model cannot be traced from layer to layer: {reason}") from error
    # Channels that no layer reads are outputs of the model: part of the logits, if several layers make them.
    removable = [group for group in groups if group.inputs and head not in _owners(group.outputs)]
    return sorted(removable, key=lambda group: positions[group.name])


def build_dependency_graph(model: nn.Module, example: Tensor) -> "torch_pruning.DependencyGraph":
    """Return Torch-Pruning's dependency graph of ``model``, traced with ``example: [B, C, H, W]``.

    Parameters, running statistics and training flags do not change.
    """
    # Torch-Pruning traces gradient functions, which frozen parameters do not have.
    frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        with evaluating(model), warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            return _import_torch_pruning().DependencyGraph().build_dependency(model, example_inputs=example)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def _import_torch_pruning() -> ModuleType:
    # Imported late, because most processes remove no channels. Torch-Pruning imports timm, if installed, for its own
    # count of operations, which is not used here. Timm imports Weights & Biases. Hiding timm saves a fifth of the
    # start-up time of a run.
    hidden = "timm" not in sys.modules and "torch_pruning" not in sys.modules
    if hidden:
        sys.modules["timm"] = None  # type: ignore[assignment]
    try:
        return import_module("torch_pruning")
    finally:
        if hidden:
            del sys.modules["timm"]


def refuse_unsafe(model: nn.Module) -> None:
    """Raise ``InputError`` naming the first layer that prevents safe removal of channels.

    These are layers that share a parameter, layers with parameters other than convolutions, linear layers and batch
    norm, and layers that normalize or shuffle across channels.
    """
    allowed = (nn.Conv2d, nn.Linear, _BatchNorm)
    # Some of these have no parameters, but they mix channels: removing one channel changes the others.
    across_channels = (nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm, nn.RMSNorm, nn.ChannelShuffle)
    names: dict[nn.Parameter, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if names.setdefault(parameter, name) != name:
            raise InputError(f"channels of this model cannot be removed safely: {names[parameter]} is also {name}")
    for name, module in model.named_modules():
        own_parameters = next(module.parameters(recurse=False), None) is not None
        if (own_parameters and not isinstance(module, allowed)) or isinstance(module, across_channels):
            raise InputError(
                f"channels of this model cannot be removed safely: {name or 'the model itself'} is a "
                f"{type(module).__name__}; allowed: convolutions, linear layers and batch norm"
            )


def _read(model: nn.Module, group: "torch_pruning.Group") -> ChannelGroup:
    names = {module: name for name, module in model.named_modules()}
    outputs, inputs = [], []
    for item in group:
        module = item.dep.target.module
        # Sums and concatenations are nodes of the graph, but have no parameters.
        if module not in names or not isinstance(module, (nn.Conv2d, nn.Linear, _BatchNorm)):
            continue
        reads = isinstance(module, (nn.Conv2d, nn.Linear)) and not _makes(item.dep.handler, module)
        index = torch.tensor(item.idxs)
        root = torch.tensor(item.root_idxs)
        if reads:
            inputs.append(_couple(f"{names[module]}.weight", module.weight, 1, index, root))
        else:
            for kind, parameter in module.named_parameters(recurse=False):
                outputs.append(_couple(f"{names[module]}.{kind}", parameter, 0, index, root))
    positions = {name: position for position, (name, _) in enumerate(model.named_parameters())}
    outputs.sort(key=lambda coupling: positions[coupling.parameter])
    inputs.sort(key=lambda coupling: positions[coupling.parameter])
    size = len(group[0].idxs)
    # The graph may list the layers that make a group's channels in any order. The first in the model names the group.
    name = next(
        _owner(c.parameter)
        for c in outputs
        if isinstance(model.get_submodule(_owner(c.parameter)), PRUNABLE) and c.channel.equal(torch.arange(size))
    )
    return ChannelGroup(name, size, tuple(outputs), tuple(inputs))


def _makes(handler: object, module: nn.Conv2d | nn.Linear) -> bool:
    # A depthwise convolution makes each channel from the same input channel: one handler stands for both sides.
    if isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels:
        return True
    return getattr(handler, "__name__", "").endswith("out_channels")


def _couple(name: str, parameter: Tensor, dim: int, index: Tensor, root: Tensor) -> Coupling:
    channel = torch.full((parameter.shape[dim],), -1, dtype=torch.int64)
    channel[index] = root
    return Coupling(name, dim, channel)


def _has_grouped(group: "torch_pruning.Group") -> bool:
    convolutions = [item.dep.target.module for item in group if isinstance(item.dep.target.module, nn.Conv2d)]
    return any(c.groups > 1 and not c.groups == c.in_channels == c.out_channels for c in convolutions)


def _owners(couplings: tuple[Coupling, ...]) -> Iterator[str]:
    return (_owner(coupling.parameter) for coupling in couplings)


def _owner(parameter: str) -> str:
    return parameter.rpartition(".")[0]
