import onnx
from onnx_properties import read_metadata

from compression.runtimes.onnx_metadata import write_with_metadata


def make_model():
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("input", "logits")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Abs", ["input"], ["logits"])], "abs", values[:1], values[1:])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])


def test_metadata_round_trip(tmp_path):
    metadata = {"class_names": ["cät", "dog"], "image_size": 32, "mean": [0.5, 0.25, 1], "note": None}
    num_bytes = write_with_metadata(make_model(), tmp_path / "model.onnx", metadata)
    assert num_bytes == (tmp_path / "model.onnx").stat().st_size
    assert read_metadata(tmp_path / "model.onnx") == metadata
    assert onnx.load(tmp_path / "model.onnx").graph == make_model().graph


def test_existing_properties_stay_and_new_ones_keep_their_order(tmp_path):
    model = make_model()
    onnx.helper.set_model_props(model, {"old": '"kept"'})
    write_with_metadata(model, tmp_path / "model.onnx", {"b": 1, "a": 2})
    assert list(read_metadata(tmp_path / "model.onnx").items()) == [("old", "kept"), ("b", 1), ("a", 2)]


def test_same_arguments_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_with_metadata(make_model(), tmp_path / name, {"mean": [0.1, 0.2]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
