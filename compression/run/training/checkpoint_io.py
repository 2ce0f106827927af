"""Atomic checkpoints: a kill during a write leaves the last checkpoint intact."""

import io
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from compression.system.files import write_atomic


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writer of checkpoints that replaces the old file by a rename within its folder.

    Lightning writes into the system's temporary folder first. If that is on another disk, the last step is a copy, and
    a kill during the copy destroys the only checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; the old file stays until the new one is complete."""
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(path, buffer.getvalue())
