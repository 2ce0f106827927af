"""What a run imports and reads before it does anything; imported once, by the process that commands are forked from."""

import torch.export._trace
import torch.onnx._internal.exporter._core
import torch.utils.tensorboard  # noqa: F401
from translations import keep_translations

read = keep_translations()
if read is not None:
    read()
