"""Pairs of batch norm and convolution by the names in a state dict, as NNCodec needs them."""

from collections.abc import Mapping

import numpy as np

# NNCodec's names for the tensors of a batch norm.
KINDS = {"weight": "bn.gamma", "bias": "bn.beta", "running_mean": "bn.mean", "running_var": "bn.var"}
# NNCodec folds with this value. It is also the default of PyTorch.
EPSILON = 1e-5

State = dict[str, np.ndarray]


def list_pairs(state: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Return the convolution of each batch norm: ``conv1`` for ``bn1``, the previous index in a Sequential."""
    norms = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    return {norm: _owner(norm, state) for norm in norms}


def _owner(norm: str, state: Mapping[str, np.ndarray]) -> str:
    head, dot, last = norm.rpartition(".")
    owner = head + dot + (str(int(last) - 1) if last.isdigit() else last.replace("bn", "conv"))
    weight = state.get(f"{owner}.weight")
    if weight is None or owner == norm or len(weight) != len(state[f"{norm}.weight"]):
        raise ValueError(f"batch norm {norm}: no convolution of its channels is named {owner}")
    return owner


def describe_blocks(state: State) -> dict[str, dict[str, str | None]]:
    """Return the input of NNCodec's folding: the kind of each tensor, and the block that each tensor belongs to."""
    kinds: dict[str, str | None] = {}
    blocks: dict[str, str | None] = {}
    pairs = list_pairs(state)
    for norm, conv in pairs.items():
        for last, kind in KINDS.items():
            kinds[f"{norm}.{last}"], blocks[f"{norm}.{last}"] = kind, conv
    for name, value in state.items():
        if name in kinds:
            continue
        prefix, _, last = name.rpartition(".")
        kinds[name] = "weight" if value.ndim > 1 else "bias" if last == "bias" else "unspecified"
        # A bias in the block of its weight needs no separate name and header.
        together = prefix in pairs.values() or {f"{prefix}.bias", f"{prefix}.weight"} <= state.keys()
        blocks[name] = prefix if together else None
    return {"parameter_type": kinds, "block_identifier": blocks}


def unfold(decoded: State, names: Mapping[str, np.ndarray]) -> State:
    """Return ``decoded`` with the four tensors of each folded batch norm; nncodec 2.1.3 omits them for plain dicts.

    The decoded weights already include the scale of each channel. So the batch norm only adds a bias: gamma 1, beta b',
    mu 0, sigma^2 = 1 - epsilon. Only names and shapes of ``names`` are read.
    """
    decoded = dict(decoded)
    for norm, conv in list_pairs(names).items():
        own = f"{conv}.bias" in names
        bias = decoded.pop(f"{conv}.bias" if own else f"{conv}.weight.bias")
        if own:
            decoded[f"{conv}.bias"] = np.zeros_like(bias)
        ones = np.ones_like(bias)
        decoded |= {
            f"{norm}.weight": ones,
            f"{norm}.bias": bias,
            f"{norm}.running_mean": 0 * ones,
            f"{norm}.running_var": (1 - EPSILON) * ones,
        }
    return decoded
