import numpy as np
import pytest
import torch

from compression.core.errors import InputError
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.onnxruntime import OnnxRuntime


def make_images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 32, 32), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_equals_eager(network, network_onnx, batch):
    images = make_images(batch)
    eager = EagerRuntime().load(network, threads=torch.get_num_threads())
    logits = OnnxRuntime().load(network_onnx, threads=1)(images)
    assert logits.shape == (batch, 3)
    np.testing.assert_allclose(logits, eager(images), atol=1e-4)
    assert np.abs(logits).max() > 1e-3


def test_bad_onnx_files(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(InputError) as caught:
        OnnxRuntime().load(path, threads=1)
    assert str(caught.value) == f"ONNX file {str(path)!r} does not exist"
    for content in (b"", b"junk"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"^ONNX file .* cannot be read: ") as caught:
            OnnxRuntime().load(path, threads=1)
        assert "\n" not in str(caught.value)
