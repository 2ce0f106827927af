"""The interface of an engine, and the known engines with the packages that they need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.system.extras import require_packages

# images: [B, 3, H, W] float32, already normalized -> logits: [B, num_classes] float32
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Engines by name, and the packages that each one needs, including those that write its ONNX file.
ENGINES: dict[str, tuple[str, ...]] = {
    "eager": (),
    "onnxruntime": ("onnxruntime", "onnx", "onnxscript"),
    "openvino": ("openvino", "onnx", "onnxscript"),
}


class Runtime(Protocol):
    """An engine on the CPU; its ``source`` is a model in memory or the path of a file."""

    name: str

    def load(self, source: Any, /, *, threads: int) -> Predictor:
        """Return a function from images to logits that runs ``source`` on ``threads`` threads."""


def check_engine(name: str, *, key: str) -> None:
    """Raise InputError if the engine ``name``, the value of ``key``, is unknown or needs a missing package."""
    if name not in ENGINES:
        raise InputError(f"{key}={name}: must be among {', '.join(ENGINES)}")
    require_packages(*ENGINES[name])


def check_onnx_file(source: Path | str) -> None:
    """Raise InputError if the file ``source`` does not exist."""
    if not Path(source).is_file():
        raise InputError(f"ONNX file {str(source)!r} does not exist")
