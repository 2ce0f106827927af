"""The weights of ``model.weights``: a file that replaces dense training."""

import hashlib
from pathlib import Path

from torch import nn

from compression.artifact import read_weights
from compression.core.errors import InputError
from compression.models.load_weights import load_weights_


def load_given_weights_(model: nn.Module, given: str) -> None:
    """Load the file ``given`` into ``model``; raises ``InputError`` if it is missing or does not fit."""
    load_weights_(model, read_weights(_existing(given)), source=given)


def hash_given_weights(given: str) -> str:
    """Return the SHA-256 of the file ``given``; raises ``InputError`` if it is missing."""
    return hashlib.sha256(_existing(given).read_bytes()).hexdigest()


def _existing(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise InputError(f"model.weights={given}: no such file")
    return path
