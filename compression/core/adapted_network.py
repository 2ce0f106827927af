"""Networks of other authors, adapted: any usual output becomes logits, and images are copies in a fitting format."""

import functools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def adapt_(model: nn.Module) -> None:
    """Let ``model`` return the logits among its outputs, see ``find_logits``; a tensor alone is returned as it is.

    The network gets copies of its inputs, because a forward such as ``images -= mean`` would change them for everyone
    who reads them afterwards: a teacher, or the next measurement on the same images. Only the class of the model
    changes, so the names of its tensors stay.
    """
    if not is_adapted(model) and not isinstance(model, torch.jit.ScriptModule):
        # mypy takes a class for an argument that cannot be hashed, because modules define their own hash.
        model.__class__ = _adapted(type(model))  # type: ignore[arg-type]


def is_adapted(model: nn.Module) -> bool:
    """Return whether ``adapt_`` changed the class of ``model``."""
    return hasattr(type(model), "class_before_adapting")


def restore_class_(model: nn.Module) -> None:
    """Reverse ``adapt_``."""
    model.__class__ = find_class(model)


def find_class(model: nn.Module) -> type[nn.Module]:
    """Return the class of ``model`` before ``adapt_``."""
    found: type[nn.Module] = getattr(type(model), "class_before_adapting", type(model))
    return found


def keep_contiguous_(model: nn.Module) -> None:
    """Let ``model`` compute in contiguous memory, for a forward that does not accept channels_last.

    Such a forward calls ``view`` on a feature map, for example. The model then ignores the conversion of its weights to
    channels_last.
    """
    adapt_(model)
    model.to(memory_format=torch.contiguous_format)
    model.contiguous_only = True  # type: ignore[assignment]


def is_contiguous_only(model: nn.Module) -> bool:
    """Return whether ``model`` computes in contiguous memory; see ``keep_contiguous_``."""
    return bool(getattr(model, "contiguous_only", False))


def find_logits(output: Any, *, kind: type = Tensor) -> Any:
    """Return the logits in the output of a network: its field ``logits``, else its first tensor, else the output.

    ``kind`` is the type of a tensor; a traced network has nodes of its graph.
    """
    if isinstance(output, kind):
        return output
    fields = output if isinstance(output, Mapping) else getattr(output, "__dict__", {})
    named = fields.get("logits", getattr(output, "logits", None))
    if isinstance(named, kind):
        return named
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, (tuple, list)) else ()
    return next((value for value in values if isinstance(value, kind)), output)


@functools.cache
def _adapted(cls: Any) -> type[nn.Module]:
    @functools.wraps(cls.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        form = torch.contiguous_format if is_contiguous_only(self) else torch.preserve_format
        args = tuple(value.clone(memory_format=form) if isinstance(value, Tensor) else value for value in args)
        return find_logits(cls.forward(self, *args, **kwargs))

    def to(self: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
        if is_contiguous_only(self) and kwargs.get("memory_format") is torch.channels_last:
            del kwargs["memory_format"]
        return cls.to(self, *args, **kwargs) if args or kwargs else self

    def load_state_dict(self: nn.Module, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if getattr(state_dict, "_metadata", None) is None:
            # Files hold no versions of modules, and some modules refuse to load without one.
            state_dict = OrderedDict(state_dict)
            state_dict._metadata = cls.state_dict(self)._metadata  # type: ignore[attr-defined]
        return cls.load_state_dict(self, state_dict, *args, **kwargs)

    inside = {"forward": forward, "to": to, "load_state_dict": load_state_dict, "class_before_adapting": cls}
    return type(
        cls.__name__,
        (cls,),
        {**inside, **{key: getattr(cls, key) for key in ("__module__", "__qualname__", "__doc__")}},
    )
