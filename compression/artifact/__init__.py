"""The artifact: one self-describing file that holds a compressed model."""

from compression.artifact.contents import SECTION, Contents, read_contents, read_weights
from compression.artifact.loading import Artifact, load, load_artifact
from compression.artifact.saving import save_artifact

__all__ = [
    "SECTION",
    "Artifact",
    "Contents",
    "load",
    "load_artifact",
    "read_contents",
    "read_weights",
    "save_artifact",
]
