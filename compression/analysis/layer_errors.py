"""Layer errors: how far the output of each layer of a compressed network is from that of the dense network."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from compression.core.eval_mode import evaluating
from compression.core.selection import PRUNABLE, HoldsIntegers

# Images that go through both networks at once. The outputs of all layers are in memory meanwhile.
_CHUNK = 16


@torch.inference_mode()
def measure_layer_errors(
    dense: nn.Module,
    compressed: nn.Module,
    batches: Iterable[Tensor],
    *,
    incomparable: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return the signal-to-noise ratio of each convolution and linear layer's output, largest error first.

    It is ``10 log10(sum y^2 / sum (y - y')^2)`` in dB, summed over all outputs y of the dense and y' of the compressed
    network on ``batches`` of normalized images [B, C, H, W]. Layers are matched by module name, so both networks must
    have batch norm in the same places. A row has ``name`` and ``snr_db``. Where that is None, ``reason`` says why; such
    rows come last. ``incomparable`` maps names to reasons that are known before. Both networks are on one device.
    """
    known = dict(incomparable or {})
    errors = {name: _Error() for name in _list_layers(dense)}
    others = set(_list_layers(compressed))
    for name in set(errors) - others:
        known.setdefault(name, "the compressed network has no such layer")
    compared = [name for name in errors if name not in known]
    with (
        evaluating(dense),
        evaluating(compressed),
        _recording(dense, compared) as wanted,
        _recording(compressed, compared) as found,
    ):
        for images in (part for batch in batches for part in batch.split(_CHUNK)):
            wanted.clear()
            found.clear()
            dense(images)
            compressed(images)
            for name in compared:
                errors[name].add(wanted.get(name, []), found.get(name, []))
    rows = [{"name": name, **errors[name].describe(known.get(name))} for name in errors]
    return sorted(rows, key=lambda row: math.inf if row["snr_db"] is None else row["snr_db"])


class _Error:
    """Sums over the outputs of one layer: squares of the dense output, and of the difference."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0
        self.reason: str | None = "it never runs"

    def add(self, wanted: list[Tensor], found: list[Tensor]) -> None:
        if len(wanted) != len(found):
            self.reason = f"it runs {len(found)} times, {len(wanted)} in the dense network"
            return
        for one, other in zip(wanted, found, strict=True):
            if one.shape != other.shape:
                self.reason = f"its output is {_shape(other)}, {_shape(one)} in the dense network"
                return
            self.reason = None
            self.signal += float(one.square().sum(dtype=torch.float64))
            self.noise += float((one - other).square().sum(dtype=torch.float64))

    def describe(self, reason: str | None) -> dict[str, Any]:
        reason = reason or self.reason
        if reason is None and self.noise == 0:
            reason = "its output is the same"
        ratio = self.signal / self.noise if reason is None else math.nan
        if reason is None and not 0 < ratio < math.inf:
            reason = "its output is zero or not finite"
        return {"snr_db": 10 * math.log10(ratio)} if reason is None else {"snr_db": None, "reason": reason}


def _list_layers(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, (*PRUNABLE, HoldsIntegers))]


@contextmanager
def _recording(network: nn.Module, names: Iterable[str]) -> Iterator[dict[str, list[Tensor]]]:
    """Yield a dictionary that gets the outputs of the named layers at every call of ``network``."""
    outputs: dict[str, list[Tensor]] = {}

    def record(name: str) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            # A copy, because an activation after the layer may work in place.
            outputs.setdefault(name, []).append(output.float().clone())

        return hook

    handles = [network.get_submodule(name).register_forward_hook(record(name)) for name in names]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _shape(output: Tensor) -> str:
    """Return the shape of an output for one image, e.g. ``16x8x8``."""
    return "x".join(str(length) for length in output.shape[1:])
