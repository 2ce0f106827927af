import numpy as np
import onnx
import pytest
from qdq_graphs import make_chain, make_dynamic, make_residual

from compression.core.errors import InputError
from compression.runtimes.executed_layers import Layer, read_integer_layers


def examine(model, tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    return read_integer_layers(path)


def test_a_chain_runs_in_integers_throughout(tmp_path):
    record = examine(make_chain(), tmp_path)
    assert [(layer.name, layer.weight, layer.kind, layer.integer) for layer in record.layers] == [
        ("features.0", "features.0.weight", "convolution", True),
        ("max", None, "other", True),
        ("average", None, "other", True),
        ("classifier", "classifier.weight", "linear", True),
    ]
    assert record.layers[0] == Layer("features.0", "features.0.weight", "QLinearConv", "convolution", True)
    assert record.layers[-1].op == "QGemm"
    # Only the image is quantized: logits come out of the linear layer as floats.
    assert (record.quantize, record.dequantize, record.dequantized_constants) == (1, 0, 0)


def test_fewer_bits_stay_in_integers(tmp_path):
    record = examine(make_chain(clip=(0, 63)), tmp_path)
    assert record.count(integer=False) == 0
    assert ("clip", "Clip", True) in [(layer.name, layer.op, layer.integer) for layer in record.layers]


def test_a_residual_block_runs_in_integers(tmp_path):
    record = examine(make_residual(), tmp_path)
    assert record.count(integer=False) == 0
    assert record.count("convolution", integer=True) == 2
    assert [layer.op for layer in record.layers if layer.name == "add"] == ["QLinearAdd"]


def test_a_missing_quantizer_is_reported(tmp_path):
    record = examine(make_chain(hidden_quantizer=False), tmp_path)
    by_name = {layer.name: layer for layer in record.layers}
    assert not by_name["features.0"].integer
    assert by_name["features.0"].weight == "features.0.weight"
    assert not by_name["average"].integer
    assert by_name["classifier"].integer
    assert record.count("convolution", integer=True) == 0
    assert record.count("linear", integer=True) == 1
    assert record.dequantized_constants >= 2


def test_a_relu_before_a_signed_quantizer_is_reported(tmp_path):
    record = examine(make_chain(hidden_zero_point=128), tmp_path)
    assert [layer.name for layer in record.layers if not layer.integer] == ["features.0"]


def test_scales_found_at_run_time(tmp_path):
    record = examine(make_dynamic(), tmp_path)
    layers = {layer.name: layer for layer in record.layers}
    assert layers["dynamic"] == Layer("dynamic", "dynamic.weight", "ConvInteger", "convolution", True)
    assert not any(layers[name].integer for name in ("abs", "largest", "average"))
    assert record.quantize == 1


def test_a_float_file_has_no_integer_layers(tmp_path):
    rng = np.random.default_rng(0)
    helper = onnx.helper
    # 16 channels: enough for the blocked memory layout, in which nodes and weights lose their names.
    weight = rng.standard_normal((16, 3, 3, 3), dtype=np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "net.weight"], ["conv"], name="net", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["conv"], ["logits"], name="relu"),
    ]
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 16, 6, 6])],
        [onnx.numpy_helper.from_array(weight, "net.weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    record = examine(model, tmp_path)
    assert [(layer.name, layer.weight, layer.kind, layer.integer) for layer in record.layers] == [
        ("net", "net.weight", "convolution", False)
    ]
    assert (record.quantize, record.dequantize, record.dequantized_constants) == (0, 0, 0)


def test_json(tmp_path):
    record = examine(make_chain(hidden_quantizer=False), tmp_path).to_json()
    assert record["counts"] == {
        "convolution": {"integer": 0, "float": 1},
        "linear": {"integer": 1, "float": 0},
        "other": {"integer": 0, "float": 1},
    }
    assert record["layers"][0]["name"] == "features.0"


def test_nothing_is_printed(tmp_path, capfd):
    examine(make_chain(), tmp_path)
    assert capfd.readouterr() == ("", "")


def test_bad_files(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(InputError, match=r"^ONNX file .* does not exist$"):
        read_integer_layers(path)
    path.write_bytes(b"junk")
    with pytest.raises(InputError, match=r"^ONNX file .* cannot be read: "):
        read_integer_layers(path)
