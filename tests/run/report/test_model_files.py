from types import SimpleNamespace

import pytest

from compression.run.report.model_files import copy_file, leave_models


def test_the_exported_files_and_the_dense_weights_are_copied(tmp_path):
    dense, exported = (SimpleNamespace(path=tmp_path / name) for name in ("dense", "exported"))
    for record, name in ((dense, "model.safetensors"), (exported, "model.cmp"), (exported, "model.onnx")):
        record.path.mkdir(exist_ok=True)
        (record.path / name).write_text(f"{record.path.name} {name}")
    assert leave_models(tmp_path / "run", dense=dense, exported=exported) == [
        "model.cmp",
        "model.onnx",
        "dense.safetensors",
    ]
    assert {path.name: path.read_text() for path in (tmp_path / "run").iterdir()} == {
        "model.cmp": "exported model.cmp",
        "model.onnx": "exported model.onnx",
        "dense.safetensors": "dense model.safetensors",
    }


def test_an_edit_of_the_copy_does_not_change_the_store(tmp_path):
    (tmp_path / "stored").write_text("stored")
    copy_file(tmp_path / "stored", tmp_path / "copy")
    with (tmp_path / "copy").open("a") as stream:
        stream.write(" and edited")
    assert (tmp_path / "stored").read_text() == "stored"


def test_a_copy_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / "old").write_text("old")
    with pytest.raises(FileNotFoundError):
        copy_file(tmp_path / "missing", tmp_path / "old")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"
