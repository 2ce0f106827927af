"""Check of engines before training: an engine that is named must have kernels for the network."""

from collections.abc import Iterable

from torch import nn

from compression.runtimes.engines import AUTO, ENGINES, load_ready


def check_engines(listed: Iterable[str], model: nn.Module, *, image_size: int, channels: int = 3) -> None:
    """Raise InputError if an engine with its own kernels is in ``listed`` by name and refuses ``model``.

    Engines that ``auto`` stands for are not checked; a run leaves them out and gives the reason. ``image_size`` is in
    pixels.
    """
    for name in listed:
        if name != AUTO and ENGINES[name].compiles:
            load_ready(name, model, threads=1, image_size=image_size, batch_sizes=[1], channels=channels)
