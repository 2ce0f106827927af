"""Checkpoints that are whole or not there at all."""

import io
from typing import Any

import torch
from lightning.pytorch.plugins import TorchCheckpointIO

from compression.system.files import write_atomic


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old checkpoint and renames.

    Lightning's own way goes through the system's folder for temporary files; where that is another disk, the last
    step is a copy, and a kill in the middle of it costs the only checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``."""
        del storage_options
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(path, buffer.getvalue())
