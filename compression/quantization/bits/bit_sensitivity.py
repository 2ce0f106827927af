"""The cost of rounding the weight of one layer alone, by bits, for mixed precision (arXiv:2001.00281)."""

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
    """Loss, lower is better, of a model with the weight of one layer rounded: layer -> bits -> loss.

    ``baseline`` is the loss of the model with no layer rounded, on the same ``images`` held-out training images, and
    ``sizes`` the number of weights of each layer.
    """

    baseline: _Loss
    images: Count
    sizes: Mapping[str, Count]
    loss: Mapping[str, Mapping[Annotated[int, Meta(ge=MIN_BITS, le=MAX_BITS)], _Loss]]

    def check_fits(self, sizes: Mapping[str, int], *, source: str) -> None:
        """Raise ``InputError`` if this table, which ``source`` holds, is not about layers of these ``sizes``."""
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
    """Yield (layer, loss by bits), in the order of execution, for every layer that is not in ``skip``.

    The weight of the layer is rounded to each of ``choices`` bits, with the scales of its output channels by a new
    observer. All else is float. ``measure`` returns the loss of a network, lower is better: mean cross-entropy on
    held-out training images tells more than accuracy, which few images change. Folding batch norm changes no loss,
    except with observers that look at more than one channel. The model is not changed. Raises ``InputError`` for bits
    outside 2 to 8 and for a model that cannot be quantized.
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
    """Return ``weight: [O, ...]`` on the grid of ``bits``, with the scale that ``observer`` finds for each row."""
    grid = weight_grid(bits)
    observer.observe(weight.flatten(1))
    scale = observer.scale(grid).view(-1, *[1] * (weight.ndim - 1))
    return to_integers(weight, scale, grid) * scale
