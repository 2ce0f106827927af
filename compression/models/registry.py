"""Models built from a dotted name; only allowed modules are imported."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from compression.core.adapted_network import adapt_
from compression.core.errors import InputError, first_line
from compression.core.shared_tensors import name_once_
from compression.models.network_traits import UNSUITABLE, settle_shapes_
from compression.system.extras import explain_import

TIMM = "compression.models.timm_model.timm_model"
BUILT_IN = re.compile(r"compression\.models\.([a-z][a-z0-9_]*)\.\1")


def is_built_in(target: str) -> bool:
    """Return whether ``target`` has the form ``compression.models.NAME.NAME`` of this package's model families."""
    return BUILT_IN.fullmatch(target) is not None


def is_own_family(target: str) -> bool:
    """Return whether ``target`` is a family that this package defines, so that its tests cover every network of it."""
    return is_built_in(target) and target != TIMM


def without_download(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a model with ``pretrained=False`` if they hold that key: its weights come from a file."""
    return {key: False if key == "pretrained" else value for key, value in kwargs.items()}


def build_model(
    target: str,
    *,
    num_classes: int,
    kwargs: Mapping[str, Any],
    allow: Sequence[str] = (),
    example: Tensor | None = None,
) -> nn.Module:
    """Return ``target(num_classes=..., **kwargs)``, a new model in training mode.

    ``target`` is a dotted name such as ``compression.models.resnet18.resnet18``. A name outside
    ``compression.models`` is imported only if it lies inside one of the packages or modules in ``allow``; its output
    becomes the logits (``adapt_``), and its shared tensors are stored once. Initial weights come from torch's global
    generator. Lazy layers get their shapes from ``example: [B, C, H, W]``. Raises ``InputError`` for a name that is not
    allowed or not found, for wrong ``kwargs``, and for a result that is not a module.
    """
    factory = _import_target(target, allow=allow)
    _check_input_channels(target, factory, kwargs)
    try:
        model = factory(num_classes=num_classes, **kwargs)
    except TypeError as error:
        raise InputError(f"model {target}: {first_line(error)}") from error
    except InputError:
        raise
    except UNSUITABLE as error:
        if is_own_family(target):
            raise
        raise InputError(f"model {target} cannot be built: {first_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"model {target} returned {type(model).__name__}; allowed: a torch.nn.Module")
    if not is_built_in(target):
        adapt_(model)
        if example is not None:
            settle_shapes_(model, example)
    if not is_own_family(target):
        name_once_(model)
    return model


def _check_input_channels(target: str, factory: Callable[..., Any], kwargs: Mapping[str, Any]) -> None:
    if "in_channels" not in kwargs:
        return
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        # Some callables of C have no signature. The call itself will tell.
        return
    if not any(one.name == "in_channels" or one.kind is one.VAR_KEYWORD for one in parameters):
        raise InputError(
            f"model {target} takes no argument in_channels, which data.channels={kwargs['in_channels']} needs; "
            "allowed: data.channels=3, or a model with this argument"
        )


def _import_target(target: str, *, allow: Sequence[str]) -> Callable[..., Any]:
    parts = target.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise InputError(f"model {target!r} is not a dotted name; allowed: package.module.name")
    if not is_built_in(target) and not any(target.startswith(f"{prefix}.") for prefix in allow):
        raise InputError(
            f"model {target} is not one of compression.models and would run code of {parts[0]!r}; "
            f"allow it with allow=[{parts[0]!r}], on the command line --allow-import {parts[0]}"
        )
    module_name, _, name = target.rpartition(".")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(explain_import(error) or f"model {target}: no module named {error.name!r}") from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise InputError(f"model {target}: module {module_name!r} has no class or function {name!r}")
    return factory
