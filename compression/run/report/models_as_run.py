"""The two models of a run as functions from images to logits, in the arithmetic in which they really run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from compression.artifact import Artifact
from compression.run.context import Context
from compression.runtimes.engines import make_runtime
from compression.runtimes.runtime import Predictor

# The engine whose integer kernels run the quantized file.
EXECUTED_BY = "onnxruntime"

# Normalized images [B, channels, H, W] on the run's device -> logits [B, C].
Model = Callable[[Tensor], Tensor]


def open_models(context: Context, loaded: Mapping[str, Artifact], onnx_file: Path) -> dict[str, Model]:
    """Return the models ``dense`` and ``compressed``: float networks on the run's device, integers on the CPU.

    ``onnx_file`` is that of the compressed model. A quantized model runs from it, because the CPU has the integer
    kernels.
    """
    models: dict[str, Model] = {}
    for name, artifact in loaded.items():
        if artifact.plan is None:
            models[name] = artifact.model.to(context.machine.device)
        else:
            models[name] = on_cpu(make_runtime(EXECUTED_BY).load(onnx_file, threads=context.machine.threads))
    return models


def on_cpu(predict: Predictor) -> Model:
    """Return an engine's function on arrays as a function on tensors of any device."""

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(predict(images.cpu().contiguous().numpy())).to(images.device)

    return run
