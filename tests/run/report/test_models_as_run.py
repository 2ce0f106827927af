import numpy as np
import torch
from runs import WIDE, compose_config

from compression.artifact import load_artifact
from compression.run.context import make_context
from compression.run.report.models_as_run import on_cpu, open_models


def test_an_engine_gets_plain_arrays_and_returns_tensors():
    def predict(images):
        assert images.flags["C_CONTIGUOUS"]
        return images.sum(axis=(2, 3))

    images = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert np.allclose(on_cpu(predict)(images).numpy(), images.sum((2, 3)).numpy())


def test_integers_run_in_onnxruntime_and_floats_in_pytorch(shared, tmp_path):
    made = shared("strategy=none bits=8 until=export")
    context = make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path)
    files = {"dense": made["dense_export"].path, "compressed": made["export"].path}
    loaded = {name: load_artifact(path / "model.cmp", allow=["tiny_net"]) for name, path in files.items()}
    models = open_models(context, loaded, files["compressed"] / "model.onnx")
    images, _ = next(iter(context.data.val_batches()))
    with torch.inference_mode():
        assert models["dense"] is loaded["dense"].model
        found, simulated = models["compressed"](images), loaded["compressed"].model(images)
    assert (found.argmax(1) == simulated.argmax(1)).float().mean() > 0.95
