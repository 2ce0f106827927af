import pytest
import torch
from coloured_folders import save_folder
from small_files import save_colours

from compression.artifact import load_artifact
from compression.commands import image_root
from compression.commands.image_root import load_root


@pytest.fixture
def artifact(tmp_path):
    save_colours(tmp_path / "model.cmp", names=["red", "blue"])
    return load_artifact(tmp_path / "model.cmp", allow=["colour_net"])


def test_streamed_images_are_those_in_memory(artifact, tmp_path, monkeypatch):
    root = save_folder(tmp_path / "images", {"blue": 2, "red": 3})
    resident = load_root(root, artifact).test
    monkeypatch.setattr(image_root, "_RESIDENT_BYTES", 0)
    streamed = load_root(root, artifact).test
    assert (resident.resident, streamed.resident) == (True, False)
    assert torch.equal(resident.images, torch.stack([streamed.images[index] for index in range(5)]))
    assert resident.labels.tolist() == streamed.labels.tolist() == [1, 1, 0, 0, 0]


def test_a_divided_folder_without_val_has_no_held_out_images(artifact, tmp_path):
    for part in ("train", "test"):
        save_folder(tmp_path / "images" / part, {"blue": 2, "red": 1})
    found = load_root(tmp_path / "images", artifact)
    assert (len(found.test), found.held_out, found.notes) == (3, None, ())
    assert found.origin == f"3 images of {tmp_path / 'images' / 'test'}"
