"""Tensors with several names in one network: tied weights, or one module under two names. They are stored once."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def find_aliases(model: nn.Module) -> dict[str, str]:
    """Return the first name of each tensor of the state dict that has an earlier name, by its later name."""
    first: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        place = _place(value)
        if place is not None and first.setdefault(place, name) != name:
            aliases[name] = first[place]
    return aliases


def name_once_(model: nn.Module) -> None:
    """Let the state dict of ``model`` hold each tensor under its first name only, and let it load such a state dict.

    A state dict with all names loads too. Does nothing for a model without shared tensors.
    """
    aliases = find_aliases(model)
    if not aliases:
        return

    def drop(module: nn.Module, state: dict[str, Tensor], prefix: str, metadata: Any) -> None:
        del module, metadata
        for alias, name in aliases.items():
            value, known = state.get(prefix + alias), state.get(prefix + name)
            # Later changes of the network, such as integer layers, may have separated the two.
            if value is not None and known is not None and _place(value) == _place(known):
                del state[prefix + alias]

    def fill_in(module: nn.Module, state: dict[str, Tensor], prefix: str, *others: Any) -> None:
        del module, others
        for alias, name in aliases.items():
            if prefix + name in state:
                state.setdefault(prefix + alias, state[prefix + name])

    model.register_state_dict_post_hook(drop)
    model.register_load_state_dict_pre_hook(fill_in)


def without_aliases(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Return ``weights``, from a file, without the later names of tensors that ``model`` names once."""
    own = model.state_dict()
    later = {name for name, _ in model.named_parameters(remove_duplicate=False)} - set(own)
    return {name: value for name, value in weights.items() if name not in later}


def _place(value: Any) -> tuple[Any, ...] | None:
    """Return where a tensor lies in memory, and how; None for one without memory."""
    if not isinstance(value, Tensor) or is_lazy(value) or value.is_meta or not value.numel():
        return None
    return value.data_ptr(), value.dtype, tuple(value.shape), value.stride(), str(value.device)
