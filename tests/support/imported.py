"""Imports, one export and one picture, done once in the process from which commands are forked.

No operator runs on several threads here, because a thread pool does not survive a fork.
"""

import tempfile
from pathlib import Path

import torch
import torch.utils.tensorboard
from tiny_net import TinyNet
from translations import keep_translations

from compression.reporting.figures import save_figure
from compression.reporting.figures.layer_sparsity import draw_layer_sparsity
from compression.runtimes.onnx_export import export_onnx

keep_translations()
torch.set_num_threads(1)
with tempfile.TemporaryDirectory() as folder:
    card = {"class_names": ["a", "b"], "mean": [0.0] * 3, "std": [1.0] * 3}
    export_onnx(TinyNet(num_classes=2), Path(folder) / "model.onnx", image_size=8, **card)
    save_figure(draw_layer_sparsity({"layer": 0.5}), Path(folder) / "picture.png")
