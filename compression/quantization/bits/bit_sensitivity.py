"""The loss from rounding the weight of a single layer, by its bits; mixed precision builds on it (arXiv:2001.00281)."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.quantization.grid import check_bits, weight_grid
from compression.quantization.network.fake_network import quantizable_layers
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.network.layerwise import layer_of
from compression.quantization.observers import Observer

CHOICES = (8, 6, 5, 4, 3, 2)


@dataclass(frozen=True)
class BitTable:
    """The loss of a model with the weight of one layer rounded: layer -> bits -> loss, lower is better.

    ``baseline`` is the loss of the unrounded model on the same held-out training images, of which there are ``images``.
    ``sizes`` holds the number of weights of each layer.
    """

    baseline: float
    images: int
    sizes: Mapping[str, int]
    loss: Mapping[str, Mapping[int, float]]

    def check_fits(self, sizes: Mapping[str, int], *, source: str) -> None:
        """Raise ``InputError``, which names ``source``, unless this table has layers of these ``sizes`` with losses."""
        for name, size in sizes.items():
            if self.sizes.get(name) != size or not self.loss.get(name):
                raise InputError(
                    f"{source} is of another model: {name} has {self.sizes.get(name, 'no')} weights there and {size} "
                    "here"
                )

    def to_json(self) -> dict[str, Any]:
        """Return plain containers; bits become text, as keys of JSON are."""
        loss = {name: {str(bits): value for bits, value in row.items()} for name, row in self.loss.items()}
        return {**asdict(self), "sizes": dict(self.sizes), "loss": loss}

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, source: str = "the content") -> "BitTable":
        """Return the table that ``to_json`` gave; raises ``InputError`` for anything else, naming ``source``."""
        try:
            loss = {
                name: {int(bits): float(value) for bits, value in row.items()} for name, row in content["loss"].items()
            }
            sizes = {name: int(size) for name, size in content["sizes"].items()}
            for bits in {bits for row in loss.values() for bits in row}:
                check_bits(bits, key="bits")
            if not all(math.isfinite(value) for row in loss.values() for value in row.values()):
                raise ValueError("losses must be finite")
            return cls(float(content["baseline"]), int(content["images"]), sizes, loss)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source} is not a table of bits: {type(error).__name__}: {error}") from error


def measure_bit_sensitivity(
    model: nn.Module,
    *,
    make_observer: Callable[[], Observer],
    measure: Callable[[nn.Module], float],
    choices: Sequence[int] = CHOICES,
    skip: Sequence[str] = (),
) -> Iterator[tuple[str, dict[int, float]]]:
    """Yield (layer, {bits: loss}) for each layer that is not in ``skip``, in the order of execution.

    The weight of the layer is rounded to each of ``choices`` bits; a new observer sets one scale per output channel.
    Everything else stays in float. ``measure`` returns the loss of a network, lower is better. Mean cross-entropy on
    held-out training images is more informative than accuracy, which changes only with a few images. Folding batch norm
    does not change the loss, unless an observer looks at more than one channel. ``model`` does not change. Raises
    ``InputError`` for bits outside 2 to 8, and for a model that cannot be traced.
    """
    for bits in choices:
        check_bits(bits, key="bits")
    rounded = copy.deepcopy(model)
    for name in quantizable_layers(model):
        if name in skip:
            continue
        weight = layer_of(rounded, name).weight
        exact = weight.detach().clone()
        row = {}
        for bits in choices:
            with torch.no_grad():
                weight.copy_(round_weight(exact, bits=bits, observer=make_observer()))
            row[bits] = measure(rounded)
        with torch.no_grad():
            weight.copy_(exact)
        yield name, row


def round_weight(weight: Tensor, *, bits: int, observer: Observer) -> Tensor:
    """Return ``weight: [O, ...]`` rounded to the grid of ``bits``, with the scale that ``observer`` finds per row."""
    grid = weight_grid(bits)
    observer.observe(weight.flatten(1))
    scale = observer.scale(grid).view(-1, *[1] * (weight.ndim - 1))
    return to_integers(weight, scale, grid) * scale
