"""The scales and biases of an integer network in its file, where those on grids are int8."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.quantization.network.bias_grid import decode_bias, encode_bias
from compression.quantization.network.scale_grid import decode_scales, encode_scales
from compression.quantization.plan import Plan


def encode_vectors(state: Mapping[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Return the tensors for the file of an integer network with ``state``. ``decode_vectors`` gives it back exactly.

    Without ``plan.grid_vectors``, they are those of ``state``.
    """
    stored = dict(state)
    for layer in _layers_on_grids(plan, state):
        scales, size = state[f"{layer}.weight_scale"], state[f"{layer}.bias_step"]
        stored[f"{layer}.weight_scale"], stored[f"{layer}.scale_middle"] = encode_scales(scales)
        stored[f"{layer}.bias"] = encode_bias(state[f"{layer}.bias"], size, _unit(plan, layer, scales))
    return stored


def decode_vectors(stored: Mapping[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Return the state of an integer network from the tensors of its file.

    Raises ``InputError`` if a layer lacks one of the tensors, or if it has another type or size.
    """
    state = dict(stored)
    for layer in _layers_on_grids(plan, stored):
        _check_types(stored, layer)
        scales = decode_scales(stored[f"{layer}.weight_scale"], state.pop(f"{layer}.scale_middle"))
        steps, size = stored[f"{layer}.bias"], stored[f"{layer}.bias_step"]
        state[f"{layer}.weight_scale"] = scales
        state[f"{layer}.bias"] = decode_bias(steps, size, _unit(plan, layer, scales))
    return state


def stored_types(
    types: Mapping[str, tuple[tuple[int, ...], torch.dtype]], plan: Plan
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return shape and type of each tensor in the file of an integer network, from those of its state."""
    found = dict(types)
    for layer in _layers_on_grids(plan, types):
        for role in ("weight_scale", "bias"):
            found[f"{layer}.{role}"] = (types[f"{layer}.{role}"][0], torch.int8)
        found[f"{layer}.scale_middle"] = ((), torch.int16)
    return found


def _check_types(stored: Mapping[str, Tensor], layer: str) -> None:
    scales = stored.get(f"{layer}.weight_scale")
    size = tuple(scales.shape[:1]) if scales is not None else ()
    kinds = {
        "weight_scale": (size, torch.int8),
        "scale_middle": ((), torch.int16),
        "bias": (size, torch.int8),
        "bias_step": ((), torch.float32),
    }
    for role, (shape, dtype) in kinds.items():
        found = stored.get(f"{layer}.{role}")
        if found is None or tuple(found.shape) != shape or found.dtype != dtype:
            what = "absent" if found is None else f"{found.dtype} {list(found.shape)}"
            raise InputError(f"{layer}.{role} is {what}; allowed: {dtype} {list(shape)}".replace("torch.", ""))


def _layers_on_grids(plan: Plan, names: Mapping[str, object]) -> list[str]:
    # Layers in float have neither.
    return [layer for layer in plan.layers if f"{layer}.bias_step" in names] if plan.grid_vectors else []


def _unit(plan: Plan, layer: str, scales: Tensor) -> Tensor | None:
    return scales if plan.multiplies_integers(layer) else None
