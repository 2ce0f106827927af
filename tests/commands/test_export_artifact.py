"""The ONNX file of a loaded artifact."""

import json

import onnx

from compression.artifact import load_artifact
from compression.commands.export_artifact import export_artifact


def test_the_onnx_file_has_the_input_and_classes_of_the_artifact(folder, tmp_path):
    artifact = load_artifact(folder / "own.cmp", allow=("colour_net",))
    size = export_artifact(artifact, tmp_path / "own.onnx")
    assert size == (tmp_path / "own.onnx").stat().st_size
    found = {one.key: json.loads(one.value) for one in onnx.load(tmp_path / "own.onnx").metadata_props}
    assert found["class_names"] == list(artifact.class_names)
    assert found["image_size"] == artifact.image_size
    assert found["mean"] == list(artifact.mean)
    assert found["std"] == list(artifact.std)
