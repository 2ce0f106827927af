"""Check of engines before training: an engine that is named must have kernels for the network."""

from collections.abc import Iterable

import numpy as np
from torch import nn

from compression.runtimes.engines import AUTO, ENGINES, make_runtime


def check_engines(listed: Iterable[str], model: nn.Module, *, image_size: int) -> None:
    """Raise InputError if an engine with its own kernels is in ``listed`` by name and refuses ``model``.

    Engines that ``auto`` stands for are not checked; a run leaves them out and gives the reason. ``image_size`` is in
    pixels.
    """
    for name in listed:
        if name != AUTO and ENGINES[name].compiles:
            predict = make_runtime(name).load(model, threads=1)
            predict(np.zeros((1, 3, image_size, image_size), dtype=np.float32))
