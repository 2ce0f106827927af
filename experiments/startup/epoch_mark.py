"""A callback that ends the process when the first epoch begins."""

import os
from typing import Any

from lightning.pytorch import Callback


class EndAtFirstEpoch(Callback):
    """End the process at once, with exit code 0, when the first training epoch begins."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """End the process without its usual shutdown, which is not part of the start."""
        os._exit(0)
