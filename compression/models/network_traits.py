"""Traits of a network that only a run of it shows: the memory format that it accepts, and weights without a use."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from compression.core.adapted_network import keep_contiguous_
from compression.core.channels_last import to_channels_last_
from compression.core.eval_mode import evaluating
from compression.core.seeding import make_generator
from compression.core.selection import mark_idle_, prunable_weights

# What the forward of a network can raise on images that do not suit it.
UNSUITABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class NetworkTraits:
    """What a run of a network showed.

    ``contiguous``: it fails on channels_last memory and runs in contiguous memory. ``idle``: its prunable weights that
    no output depends on in evaluation mode, such as those of an auxiliary classifier.
    """

    contiguous: bool = False
    idle: tuple[str, ...] = ()

    def apply_(self, model: nn.Module) -> None:
        """Let ``model`` have these traits."""
        if self.contiguous:
            keep_contiguous_(model)
        mark_idle_(model, self.idle)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


def find_traits(model: nn.Module, example: Tensor) -> NetworkTraits:
    """Return the traits of ``model``, found by running it forward and backward on ``example: [B, C, H, W]``.

    The model is used up: its memory format and statistics change. A network that does not run has no traits.
    """
    images = torch.randn(example.shape, generator=make_generator("traits"))
    with torch.random.fork_rng(devices=[]):
        try:
            idle = _run(to_channels_last_(model), images)
            return NetworkTraits(idle=idle)
        except UNSUITABLE:
            pass
        try:
            keep_contiguous_(model)
            return NetworkTraits(contiguous=True, idle=_run(model, images))
        except UNSUITABLE:
            return NetworkTraits()


def accepts_channels_last(model: nn.Module, example: Tensor) -> bool:
    """Return whether ``model`` runs on ``example: [B, C, H, W]`` in channels_last memory, or fails in any memory."""
    with evaluating(model), torch.inference_mode():
        try:
            model(example.contiguous(memory_format=torch.channels_last))
            return True
        except UNSUITABLE:
            pass
        try:
            model(example)
        except UNSUITABLE:
            return True
        return False


def settle_shapes_(model: nn.Module, example: Tensor) -> None:
    """Give lazy layers their shapes, by one run on ``example: [B, C, H, W]``; does nothing for other models.

    Layers that do not run, and all of them if the run fails, stay lazy.
    """
    if not find_lazy(model):
        return
    with evaluating(model), torch.no_grad():
        try:
            model(example)
        except UNSUITABLE:
            return


def find_lazy(model: nn.Module) -> list[str]:
    """Return the names of parameters and buffers without a shape."""
    named: Iterable[tuple[str, Tensor]] = chain(model.named_parameters(), model.named_buffers())
    return [name for name, value in named if is_lazy(value)]


def _run(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Train and evaluate ``model`` once on ``images``; return the weights that evaluation does not use."""
    images = images.contiguous(memory_format=torch.channels_last)
    model.train()(images).float().sum().backward()
    weights = {name: weight for name, weight in prunable_weights(model).items() if weight.requires_grad}
    logits = model.eval()(images).float()
    found = torch.autograd.grad(logits.sum(), list(weights.values()), allow_unused=True)
    return tuple(name for name, gradient in zip(weights, found, strict=True) if gradient is None)
