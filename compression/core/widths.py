"""Networks with fewer channels than their architecture defines: the same modules with smaller tensors."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.errors import InputError

Shapes = Mapping[str, Sequence[int]]


def fit_widths_(model: nn.Module, shapes: Shapes) -> nn.Module:
    """Shrink 2D convolutions, linear layers and batch norms of ``model`` to given shapes, and return ``model``.

    ``shapes`` are the shapes of a compacted network's state dict, by name. Names without a matching layer are ignored.
    New tensors are uninitialized, on the device of the old ones (meta included); fill them with ``load_state_dict``.
    Kernel size, stride and other settings stay. Raises ``InputError`` naming a tensor that is not a narrower form of
    the model's own.
    """
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        shape = shapes.get(f"{prefix}weight")
        if shape is None and isinstance(module, _BatchNorm):
            shape = shapes.get(f"{prefix}running_mean")
        if shape is None or not isinstance(module, (nn.Conv2d, nn.Linear, _BatchNorm)):
            continue
        if isinstance(module, nn.Conv2d):
            _fit_conv_(module, shape, name=name)
        elif isinstance(module, nn.Linear):
            _require(len(shape) == 2 and _within(shape, module.weight.shape), name, shape, module.weight.shape)
            module.out_features, module.in_features = shape
        else:
            _require(_within(shape, [module.num_features]), name, shape, [module.num_features])
            module.num_features = shape[0]
        _resize_(module, shape)
    return model


def _fit_conv_(module: nn.Conv2d, shape: Sequence[int], *, name: str) -> None:
    dense = module.weight.shape
    _require(len(shape) == 4 and _within(shape, dense) and tuple(shape[2:]) == dense[2:], name, shape, dense)
    depthwise = module.groups == module.in_channels == module.out_channels and module.groups > 1
    if depthwise:
        module.groups = module.in_channels = module.out_channels = shape[0]
    else:
        _require(module.groups == 1 or tuple(shape) == dense, name, shape, dense)
        module.out_channels, module.in_channels = shape[0], shape[1] * module.groups


def _resize_(module: nn.Module, shape: Sequence[int]) -> None:
    for name, parameter in list(module.named_parameters(recurse=False)):
        new = shape if name == "weight" else shape[:1]
        if tuple(parameter.shape) != tuple(new):
            empty = torch.empty(*new, dtype=parameter.dtype, device=parameter.device)
            setattr(module, name, nn.Parameter(empty, requires_grad=parameter.requires_grad))
    for name, buffer in list(module.named_buffers(recurse=False)):
        # num_batches_tracked is a scalar and keeps its shape.
        if buffer.ndim == 1 and len(buffer) != shape[0]:
            setattr(module, name, torch.empty(shape[0], dtype=buffer.dtype, device=buffer.device))


def _within(shape: Sequence[int], dense: Sequence[int]) -> bool:
    return len(shape) == len(dense) and all(1 <= small <= large for small, large in zip(shape, dense, strict=True))


def _require(condition: bool, name: str, shape: Sequence[int], dense: Sequence[int]) -> None:
    if not condition:
        raise InputError(
            f"{name}.weight of shape {list(shape)} is not a narrower form of {list(dense)}, which the architecture has"
        )
