"""The loss from rounding the weight of a single layer, by its bits; mixed precision builds on it (arXiv:2001.00281)."""

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from msgspec import Meta
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.core.json_record import Count, convert_record
from compression.quantization.grid import MAX_BITS, MIN_BITS, check_bits, weight_grid
from compression.quantization.network.fake_network import quantizable_layers
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.network.layerwise import layer_of
from compression.quantization.observers import Observer

CHOICES = (8, 6, 5, 4, 3, 2)


_Loss = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]


@dataclass(frozen=True)
class BitTable:
    """The loss of a model with the weight of one layer rounded: layer -> bits -> loss, lower is better.

    ``baseline`` is the loss of the unrounded model on the same held-out training images, of which there are ``images``.
    ``sizes`` holds the number of weights of each layer.
    """

    baseline: _Loss
    images: Count
    sizes: Mapping[str, Count]
    loss: Mapping[str, Mapping[Annotated[int, Meta(ge=MIN_BITS, le=MAX_BITS)], _Loss]]

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
    def from_json(cls, content: Any, *, source: str = "the content") -> "BitTable":
        """Return the table that ``to_json`` gave; raises ``InputError`` for anything else, naming ``source``."""
        return convert_record(content, cls, source=f"{source} is not a table of bits")


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
