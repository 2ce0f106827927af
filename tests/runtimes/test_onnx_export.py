import json
import logging

import onnx
import torch
from torch import nn

from compression.runtimes.onnx_export import export_onnx


def make_tiny():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def test_same_model_same_bytes(network, network_onnx, metadata, tmp_path):
    export_onnx(network, tmp_path / "again.onnx", **metadata)
    assert (tmp_path / "again.onnx").read_bytes() == network_onnx.read_bytes()


def test_exporting_does_not_change_the_model(tmp_path, metadata, capfd, caplog):
    model = make_tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx", **metadata)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert capfd.readouterr().out == ""
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_onnx_file(network_onnx, metadata):
    proto = onnx.load(network_onnx)
    onnx.checker.check_model(proto)
    assert [value.name for value in (*proto.graph.input, *proto.graph.output)] == ["input", "logits"]
    sizes = [dim.dim_param or dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 3, 32, 32]
    prepared = {"channels": 3, "fit": "crop", "background": None, "value_range": None}
    assert {prop.key: json.loads(prop.value) for prop in proto.metadata_props} == metadata | prepared
    assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_onnx_file_contains_no_local_path(network_onnx):
    proto = onnx.load(network_onnx)
    # Weights are random bytes, in which any short string turns up.
    proto.graph.ClearField("initializer")
    content = proto.SerializeToString()
    for trace in (b"site-packages", b".py", b"/lib/", b"File "):
        assert trace not in content
