"""What an engine is."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

# images: [B, 3, H, W] float32, already normalized -> logits: [B, num_classes] float32
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Runtime(Protocol):
    """An engine on the CPU; ``source`` is what it loads: a model in memory, or the path of a file."""

    name: str

    def load(self, source: Any, /, *, threads: int) -> Predictor:
        """Return a function from images to logits that uses ``threads`` threads."""
