"""PyTorch eager mode as an engine: no compiler, as in training."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compression.core.channels_last import to_channels_last_
from compression.runtimes.runtime import Predictor
from compression.system.freed_memory import keep_freed_memory


class EagerRuntime:
    """PyTorch eager mode, in inference mode and with channels_last, the faster format for convolutions on CPUs."""

    name = "eager"

    def load(self, source: nn.Module, /, *, threads: int) -> Predictor:
        """Return a function that runs a copy of ``source`` on images.

        From then on, the process has this number of threads and keeps freed memory.
        """
        torch.set_num_threads(threads)
        keep_freed_memory()
        model = to_channels_last_(copy.deepcopy(source).cpu().eval())

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                # A copy, because a network may overwrite its input.
                batch = torch.from_numpy(images).clone(memory_format=torch.channels_last)
                logits: NDArray[np.float32] = model(batch).numpy()
                return logits

        return predict
