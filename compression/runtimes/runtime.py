"""What an engine is."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError

# images: [B, 3, H, W] float32, already normalized -> logits: [B, num_classes] float32
Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Engines by the name they are asked for with.
ENGINES = ("eager", "onnxruntime", "openvino")
EXTRAS = {"openvino": "openvino"}


class Runtime(Protocol):
    """An engine on the CPU; ``source`` is what it loads: a model in memory, or the path of a file."""

    name: str

    def load(self, source: Any, /, *, threads: int) -> Predictor:
        """Return a function from images to logits that uses ``threads`` threads."""


def check_engine(name: str, *, key: str) -> None:
    """Raise InputError, which says that ``key`` asked, if the engine ``name`` is unknown or its package is missing."""
    if name not in ENGINES:
        raise InputError(f"{key}={name}: must be among {', '.join(ENGINES)}")
    extra = EXTRAS.get(name)
    # Looked for, not imported: that takes half a second, and the first check is before anything else is done.
    if extra is not None and find_spec(extra) is None:
        raise InputError(f"{key}={name} needs the extra {extra}: pip install 'compression[{extra}]'")


def check_onnx_file(source: Path | str) -> None:
    """Raise InputError if there is no file ``source``."""
    if not Path(source).is_file():
        raise InputError(f"ONNX file {str(source)!r} does not exist")
