from types import SimpleNamespace

import pytest

from compression.run.report.model_files import copy_file, leave_models
from compression.run.stage import Finished


def make_record(folder, *names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"{folder.name} {name}")
    return SimpleNamespace(path=folder)


def test_the_exported_files_and_the_dense_weights_are_copied(tmp_path):
    dense = make_record(tmp_path / "dense", "model.safetensors")
    exported = make_record(tmp_path / "exported", "model.cmp", "model.onnx")
    assert leave_models(tmp_path / "run", Finished({"dense": dense}), exported=exported) == [
        "model.cmp",
        "model.onnx",
        "dense.safetensors",
    ]
    assert {path.name: path.read_text() for path in (tmp_path / "run").iterdir()} == {
        "model.cmp": "exported model.cmp",
        "model.onnx": "exported model.onnx",
        "dense.safetensors": "dense model.safetensors",
    }


def test_a_fine_tuned_run_leaves_the_pruned_model_before_it(tmp_path):
    dense = make_record(tmp_path / "dense", "model.safetensors")
    pruned, exported = (make_record(tmp_path / name, "model.cmp", "model.onnx") for name in ("pruned", "exported"))
    made = Finished({"dense": dense, "pruned_export": pruned, "finetune": exported})
    assert "before_finetune.cmp" in leave_models(tmp_path / "run", made, exported=exported)
    assert (tmp_path / "run" / "before_finetune.cmp").read_text() == "pruned model.cmp"


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
