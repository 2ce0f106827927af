"""Compression of image classifiers, with honest measurements of size, speed and accuracy."""

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from compression.core.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from compression.artifact import load, load_artifact

    __version__: str

__all__ = ["ArtifactError", "InputError", "__version__", "load", "load_artifact"]


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `import compression` and `compression --help` do not wait for torch.
    if name in ("load", "load_artifact"):
        return getattr(import_module("compression.artifact"), name)
    if name == "__version__":
        return metadata.version("compression")
    raise AttributeError(f"module 'compression' has no attribute {name!r}")
