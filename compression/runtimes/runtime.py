"""The interface of an engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError

# images: [B, C, H, W] float32, already normalized -> logits: [B, num_classes] float32
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Runtime(Protocol):
    """An engine on the CPU; its ``source`` is a model in memory or the path of a file."""

    name: str

    def load(self, source: Any, /, *, threads: int) -> Predictor:
        """Return a function from images to logits that runs ``source`` on ``threads`` threads."""


def check_onnx_file(source: Path | str) -> None:
    """Raise InputError if the file ``source`` does not exist."""
    if not Path(source).is_file():
        raise InputError(f"ONNX file {str(source)!r} does not exist")
