"""PyTorch without a compiler: what training code runs."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from compression.runtimes.runtime import Predictor


class EagerRuntime:
    """PyTorch eager in inference mode, in channels_last, the faster format of convolutions on CPUs."""

    name = "eager"

    def load(self, source: nn.Module, /, *, threads: int) -> Predictor:
        """Return a function over a copy of the model; sets the threads of the whole process."""
        torch.set_num_threads(threads)
        model = copy.deepcopy(source).cpu().eval().to(memory_format=torch.channels_last)

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            with torch.inference_mode():
                batch = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
                logits: NDArray[np.float32] = model(batch).numpy()
                return logits

        return predict
