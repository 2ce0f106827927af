import json
import logging

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.runtimes.eager import EagerRuntime
from compression.runtimes.onnx_export import export_onnx
from compression.runtimes.onnxruntime import OnnxRuntime

METADATA = {
    "image_size": 32,
    "class_names": ["cät", "dog", "eel"],
    "mean": [0.1, 0.2, 0.3],
    "std": [1, 0.5, 2],
}


@pytest.fixture(scope="module")
def mobilenet():
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=3, width_mult=0.35)
    model(torch.randn(8, 3, 32, 32))
    return model


@pytest.fixture(scope="module")
def mobilenet_onnx(mobilenet, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    assert export_onnx(mobilenet, path, **METADATA) == path.stat().st_size
    return path


def make_tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def make_images(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3, 32, 32), dtype=np.float32)


def test_eager_is_the_model_in_eval_mode(mobilenet):
    images = make_images(4)
    predict = EagerRuntime().load(mobilenet, threads=torch.get_num_threads())
    assert mobilenet.training
    mobilenet.eval()
    with torch.no_grad():
        expected = mobilenet(torch.from_numpy(images))
    mobilenet.train()
    logits = predict(images)
    assert logits.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=1e-4)
    assert next(mobilenet.parameters()).is_contiguous()


def test_eager_sets_the_threads(mobilenet):
    before = torch.get_num_threads()
    EagerRuntime().load(mobilenet, threads=1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_onnx_equals_eager(mobilenet, mobilenet_onnx, batch):
    images = make_images(batch)
    eager = EagerRuntime().load(mobilenet, threads=torch.get_num_threads())
    logits = OnnxRuntime().load(mobilenet_onnx, threads=1)(images)
    assert logits.shape == (batch, 3)
    np.testing.assert_allclose(logits, eager(images), atol=1e-4)
    assert np.abs(logits).max() > 1e-3


def test_same_model_same_bytes(tmp_path):
    for name in ("a", "b"):
        export_onnx(make_tiny(), tmp_path / name, **METADATA)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_exporting_leaves_the_model_alone(tmp_path, capfd, caplog):
    model = make_tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx", **METADATA)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert capfd.readouterr().out == ""
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_onnx_file(mobilenet_onnx):
    proto = onnx.load(mobilenet_onnx)
    onnx.checker.check_model(proto)
    assert [value.name for value in (*proto.graph.input, *proto.graph.output)] == ["input", "logits"]
    sizes = [dim.dim_param or dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, 32, 32]
    assert {prop.key: json.loads(prop.value) for prop in proto.metadata_props} == METADATA
    assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_onnx_file_knows_no_local_path(mobilenet_onnx):
    proto = onnx.load(mobilenet_onnx)
    # Weights are random bytes, in which any short string turns up.
    proto.graph.ClearField("initializer")
    content = proto.SerializeToString()
    for trace in (b"site-packages", b".py", b"/lib/", b"File "):
        assert trace not in content


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
